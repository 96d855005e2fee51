"""Files that nobody but their owner may read: tokens, proxies, keys."""

from __future__ import annotations

import os
import stat

from dodas.errors import NotAllowed
from dodas.values import dataclass

_LIMIT = 1 << 20  # bytes; nothing that proves who somebody is comes near


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """What changes with a file's content, as far as ``stat`` tells."""

    device: int
    inode: int
    size: int
    modified: int


def stamp_of(path: str) -> Stamp | None:
    """Return the stamp of ``path``, ``None`` if there is no such file."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return _stamp(found)


def is_own(path: str) -> bool:
    """Tell whether ``path`` is a file of this user and not a link.

    Where everybody may write, such as ``/tmp``, others can put a name that we would take for ours.
    """
    try:
        found = os.lstat(path)
    except OSError:
        return False
    return stat.S_ISREG(found.st_mode) and found.st_uid == os.getuid()


def read(path: str, what: str) -> tuple[bytes, Stamp]:
    """Return what is in a private file, and its stamp.

    Args:
        path: The file.
        what: What it is, for messages: ``the token file of BEARER_TOKEN_FILE``.

    Raises:
        NotAllowed: It cannot be read, or others can read it too.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise NotAllowed(
            f"{what}, {path}, cannot be read: {error.strerror}", hint="make it again, or unset the variable"
        ) from None
    try:
        found = os.fstat(descriptor)
        _refuse_public(found, path, what)
        return os.read(descriptor, _LIMIT), _stamp(found)
    except OSError as error:
        raise NotAllowed(f"{what}, {path}, cannot be read: {error.strerror}") from None
    finally:
        os.close(descriptor)


def _refuse_public(found: os.stat_result, path: str, what: str) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise NotAllowed(f"{what}, {path}, is not a file", hint="give the path of a file")
    if found.st_mode & 0o077:
        raise NotAllowed(
            f"{what}, {path}, can be read by other users",
            hint=f"run `chmod 600 {path}`, and replace the credential if others may have seen it",
        )


def _stamp(found: os.stat_result) -> Stamp:
    return Stamp(device=found.st_dev, inode=found.st_ino, size=found.st_size, modified=found.st_mtime_ns)
