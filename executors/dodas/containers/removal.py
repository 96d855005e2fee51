"""Directory trees that go, whatever their modes."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from contextlib import suppress

# Below half of PATH_MAX the names in a directory are still in reach.
_FAR = 2000

Entries = list[tuple[bytes, bool]]
Keep = Callable[[bytes], bool]


def remove_tree(path: str) -> int:
    """Remove ``path`` and all below it; return the bytes of disk that it took.  Absent is fine."""
    directory, name = os.path.split(path)
    try:
        fd = os.open(directory or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        return 0
    try:
        return remove_at(fd, os.fsencode(name))
    finally:
        os.close(fd)


def throw_away(path: str, trash: str) -> int:
    """Remove ``path`` so that nobody ever sees a part of it; return the bytes of disk that it took."""
    return remove_tree(set_aside(path, trash))


def set_aside(path: str, trash: str) -> str:
    """Rename ``path`` into the directory ``trash`` of the same disk; return what it is called there.

    There a later collection finds it if nobody lives to remove it.  Absent is fine.
    """
    aside = os.path.join(trash, f"{os.path.basename(path)}.{os.urandom(8).hex()}")
    with suppress(FileNotFoundError):
        os.rename(path, aside)
    return aside


def remove_at(root: int, path: bytes, keep: Keep | None = None) -> int:
    """Remove ``path`` below the directory ``root``, never through a symbolic link.

    Args:
        root: Descriptor of a directory.
        path: Relative; none of its directories is a symbolic link.
        keep: Says which paths below, in the same form, must stay; directories that hold one stay too.
    """
    freed = 0
    directories: list[bytes] = []  # to be removed when they are empty, the deepest last
    pending = [path]
    while pending:
        here = pending.pop()
        entries = _entries(root, here)
        if entries is None:
            freed += _remove_file(root, here, keep)
            continue
        directories.append(here)
        if len(here) > _FAR:
            freed += _remove_far(root, here, entries, keep)
            continue
        for name, is_directory in entries:
            below = here + b"/" + name
            if is_directory:
                pending.append(below)
            else:
                freed += _remove_file(root, below, keep)
    for here in reversed(directories):
        if keep is None or not keep(here):
            with suppress(OSError):  # it is not empty if it holds something to keep
                os.rmdir(here, dir_fd=root)
    return freed


def _remove_far(root: int, path: bytes, entries: Entries, keep: Keep | None) -> int:
    """Empty a directory whose content has paths too long for a system call."""
    fd = _open_directory(root, path)
    try:
        nearer = keep and (lambda below: keep(path + b"/" + below))
        return sum(remove_at(fd, name, nearer) for name, _ in entries)
    finally:
        os.close(fd)


def _remove_file(root: int, path: bytes, keep: Keep | None) -> int:
    if keep is not None and keep(path):
        return 0
    with suppress(FileNotFoundError):
        size = os.stat(path, dir_fd=root, follow_symlinks=False).st_blocks * 512
        os.unlink(path, dir_fd=root)
        return size
    return 0


def _entries(root: int, path: bytes) -> Entries | None:
    """Return what is in a directory, which is made accessible; ``None`` when it is none."""
    try:
        fd = _open_directory(root, path)
    except OSError as error:
        if error.errno in (errno.ENOTDIR, errno.ENOENT, errno.ELOOP):
            return None
        raise
    try:
        if os.fstat(fd).st_mode & 0o700 != 0o700:
            os.fchmod(fd, 0o700)
        with os.scandir(fd) as found:
            return [(os.fsencode(entry.name), entry.is_dir(follow_symlinks=False)) for entry in found]
    finally:
        os.close(fd)


def _open_directory(root: int, path: bytes) -> int:
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        return os.open(path, flags, dir_fd=root)
    except PermissionError:
        # Not a link, which would have been ELOOP or ENOTDIR.
        os.chmod(path, 0o700, dir_fd=root)
        return os.open(path, flags, dir_fd=root)
