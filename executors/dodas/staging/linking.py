"""A file of the cache under a second name: linked, cloned or copied, whichever the disk can do."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
from contextlib import suppress

from dodas.staging.disk import disk_faults
from dodas.staging.parts import taken

_FICLONE = 0x40049409
_CANNOT = (errno.EXDEV, errno.EPERM, errno.EACCES, errno.EMLINK, errno.EOPNOTSUPP, errno.ENOSYS)


def place(source: str, target: str, *, private: bool = False) -> None:
    """Make ``target``, which is not there, a file with the content of ``source``.

    Whoever looks sees no file or all of it.

    Args:
        source: A file that is written by nobody.
        target: Where; its directory exists.
        private: Whether ``target`` may be written afterwards, so that it must not be the same file.

    Raises:
        AlreadyThere: Something is there.
    """
    with disk_faults(target):
        try:
            if not private and _linked(source, target):
                return
            _copied(source, target, 0o666 if private else 0o444)
        except FileExistsError:
            raise taken(target) from None


def _linked(source: str, target: str) -> bool:
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno in _CANNOT:
            return False
        raise
    return True


def _copied(source: str, target: str, mode: int) -> None:
    aside = os.path.join(os.path.dirname(target), f".dodas-{os.urandom(12).hex()}.part")
    fd = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    try:
        with open(source, "rb") as reader, open(fd, "wb") as writer:
            if not _cloned(reader.fileno(), fd):
                shutil.copyfileobj(reader, writer, 1 << 20)
        if os.path.lexists(target):
            raise FileExistsError(target)
        if not _linked(aside, target):
            os.rename(aside, target)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(aside)


def _cloned(source: int, target: int) -> bool:
    """Let both share their blocks, on disks that can do it."""
    try:
        fcntl.ioctl(target, _FICLONE, source)
    except OSError:
        return False
    return True
