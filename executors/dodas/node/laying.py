"""Trees made real: content gets its names, modes and places back."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Sequence
from contextlib import suppress
from enum import Enum

from dodas.containers.removal import remove_tree
from dodas.errors import TransferError
from dodas.node.tree import DIRECTORY, FILE, Entry

_PIECE = 1 << 20


class How(Enum):
    """What is done with content."""

    MOVE = "nobody else needs it"
    LINK = "others need it, and nobody changes it"
    COPY = "others need it, and some may change it"


def moved(blob: str) -> How:
    """Let content be moved."""
    return How.MOVE


def lay_out(
    entries: Sequence[Entry],
    blobs: str,
    at: str,
    *,
    how: Callable[[str], How] = moved,
    exact: bool = False,
    times: bool = True,
) -> None:
    """Make ``at`` what ``entries`` describe; files appear under their names only when they are complete.

    May be repeated after it was interrupted: what was moved already is at its place.

    Args:
        entries: A tree, as :func:`dodas.node.tree.gather` describes it.
        blobs: Directory with the content of files.
        at: Path of the tree's root; its parent directories are made.
        how: What is done with the content of a name.
        exact: Whether what is there and not in the tree is removed.
        times: Whether files get the times of their originals.

    Raises:
        TransferError: Content is missing or has another size, or something is in the way.
        OSError: The disk does not take it.
    """
    os.makedirs(os.path.dirname(at), exist_ok=True)
    directories = [entry for entry in entries if entry.kind == DIRECTORY]
    _check_parents(entries, {entry.path for entry in directories})
    for entry in sorted(directories, key=lambda entry: entry.path.count("/") if entry.path else -1):
        _make_directory(_place(at, entry), top=not entry.path)
    if exact:
        _remove_others(entries, at)
    for entry in entries:
        if entry.kind == FILE:
            _make_file(entry, os.path.join(blobs, entry.blob), _place(at, entry), how(entry.blob), times)
        elif entry.kind != DIRECTORY:
            _make_link(entry, _place(at, entry))
    for entry in reversed(directories):  # a directory without write permission is closed when it is full
        os.chmod(_place(at, entry), entry.mode)


def _check_parents(entries: Sequence[Entry], directories: set[str]) -> None:
    """See that nothing lies below anything but the tree's own directories, such as a link."""
    for entry in entries:
        if entry.path and entry.path.rpartition("/")[0] not in directories:
            raise TransferError(f"{entry.path!r} lies in no directory of its tree")


def _place(at: str, entry: Entry) -> str:
    return os.path.join(at, entry.path) if entry.path else at


def _make_directory(path: str, *, top: bool) -> None:
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        # The root may be a link to a directory of somebody's choice; below it, links lead elsewhere.
        if top and os.path.isdir(path):
            return
        if not stat.S_ISDIR(os.lstat(path).st_mode):
            os.unlink(path)
            os.mkdir(path, 0o700)
        else:
            os.chmod(path, 0o700)


def _remove_others(entries: Sequence[Entry], at: str) -> None:
    wanted = {entry.path for entry in entries}
    for entry in entries:
        if entry.kind != DIRECTORY:
            continue
        for name in os.listdir(_place(at, entry)):
            path = f"{entry.path}/{name}" if entry.path else name
            if path not in wanted:
                remove_tree(os.path.join(at, path))


def _make_file(entry: Entry, blob: str, path: str, how: How, times: bool) -> None:
    try:
        size = os.stat(blob).st_size
    except FileNotFoundError:
        if how is How.MOVE and _is_there(path, entry.size):
            return
        raise TransferError(f"the content of {path} did not arrive") from None
    if size != entry.size:
        raise TransferError(f"{path} has {entry.size} bytes, and {size} arrived")
    _clear(path)
    part = _part(blob, path, how)
    try:
        os.chmod(part, entry.mode)
        if times and entry.mtime:
            os.utime(part, ns=(entry.mtime, entry.mtime))
        os.rename(part, path)
    except BaseException:
        if part != blob:
            os.unlink(part)
        raise
    if how is How.MOVE and part != blob:
        os.unlink(blob)


def _is_there(path: str, size: int) -> bool:
    with suppress(OSError):
        status = os.lstat(path)
        return stat.S_ISREG(status.st_mode) and status.st_size == size
    return False


def _part(blob: str, path: str, how: How) -> str:
    """Return a file with the content, on the same disk as ``path``."""
    if how is How.MOVE and os.lstat(blob).st_dev == os.stat(os.path.dirname(path)).st_dev:
        return blob
    # Not made of the name, which may be as long as names can be.
    part = os.path.join(os.path.dirname(path), f".dodas-{os.urandom(8).hex()}")
    if how is How.LINK:
        with suppress(OSError):
            os.link(blob, part)
            return part
    try:
        copy(blob, part)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(part)
        raise
    return part


def _make_link(entry: Entry, path: str) -> None:
    _clear(path)
    with suppress(FileNotFoundError):
        os.unlink(path)
    os.symlink(entry.target, path)


def _clear(path: str) -> None:
    """Make room for a file or link; a directory of that name goes with all in it."""
    with suppress(FileNotFoundError):
        if stat.S_ISDIR(os.lstat(path).st_mode):
            remove_tree(path)


def copy(source: str, target: str) -> None:
    """Copy the content of a file to a new one; the kernel does it where it can."""
    with open(source, "rb", buffering=0) as read, open(target, "xb", buffering=0) as write:
        copy_open(read.fileno(), write.fileno())


def copy_open(read: int, write: int) -> None:
    """Copy what is left of one open file to another."""
    try:
        while os.sendfile(write, read, None, _PIECE * 64):
            pass
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOSYS):
            raise
        while piece := os.read(read, _PIECE):
            rest = memoryview(piece)
            while rest:
                rest = rest[os.write(write, rest) :]
