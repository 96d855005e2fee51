"""What the disk says, said so that a user can do something about it."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from dodas.errors import TransferError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)
_NOWHERE = (errno.ENOENT, errno.ENOTDIR)


@contextmanager
def disk_faults(path: str) -> Iterator[None]:
    """Turn the ``OSError`` of work on the local file ``path`` into a `TransferError` with a hint."""
    try:
        yield
    except OSError as error:
        raise explained(path, error) from error


def explained(path: str, error: OSError) -> TransferError:
    """Return the `TransferError` that tells what ``error`` means for the local file ``path``."""
    reason = error.strerror or str(error)
    if error.errno in _FULL:
        return no_room(path, reason)
    if error.errno in _FORBIDDEN:
        return TransferError(f"{path} cannot be used: {reason}", hint="look at the permissions there")
    if error.errno in _NOWHERE:
        return TransferError(f"{path} cannot be used: {reason}", hint="make its directory first")
    return TransferError(f"{path} cannot be used: {reason}", hint="look at the disk")


def no_room(path: str, reason: str) -> TransferError:
    """Return the error of a disk that is full, or of a quota that is used up."""
    return TransferError(
        f"there is no room for {path}: {reason}",
        hint="free space there, or choose a directory on a larger disk",
    )


def is_full(error: BaseException) -> bool:
    """Tell whether ``error`` comes of a full disk, so that what was begun had better go."""
    cause = error.__cause__
    return isinstance(cause, OSError) and cause.errno in _FULL
