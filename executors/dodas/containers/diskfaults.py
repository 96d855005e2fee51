"""What the disk says, said so that a user can do something about it."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from dodas.errors import StoreError

_FULL = (errno.ENOSPC, errno.EDQUOT)
_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)


@contextmanager
def disk_faults(root: str) -> Iterator[None]:
    """Turn the ``OSError`` of work on the image store ``root`` into a `StoreError` with a hint."""
    try:
        yield
    except BrokenPipeError:
        raise  # whoever listened to the progress is gone
    except OSError as error:
        raise explained(root, error) from error


def explained(root: str, error: OSError) -> StoreError:
    """Return the `StoreError` that tells what ``error`` means for the image store ``root``."""
    reason = error.strerror or str(error)
    where = f" ({error.filename})" if isinstance(error.filename, str) else ""
    if error.errno in _FULL:
        return StoreError(
            f"the disk of the image store {root} is full: {reason}",
            hint="free space with `dodas image gc`, or set DODAS_STORE to a directory on a larger disk",
        )
    if error.errno in _FORBIDDEN:
        return StoreError(
            f"the image store {root} cannot be written to: {reason}{where}",
            hint="set DODAS_STORE to a directory of your own",
        )
    return StoreError(
        f"the image store {root} cannot be used: {reason}{where}",
        hint="look at the disk, or set DODAS_STORE to another directory",
    )
