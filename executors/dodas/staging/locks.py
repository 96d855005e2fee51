"""Locks between processes: ``flock`` on open files, released by the kernel however a holder dies."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable

# What file systems answer that have no locks.
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)


def locked(path: str, open_file: Callable[[str], int], *, wait: bool = True) -> int | None:
    """Return a descriptor of ``path`` that holds the lock on it alone, and is still what ``path`` names.

    Args:
        path: A file that its holder may rename or remove.
        open_file: Opens it, and makes it if it is not there.
        wait: Whether to wait for whoever has it.

    Returns:
        ``None`` if somebody has the lock and we do not wait, or if there are no locks here.
    """
    while True:
        fd = open_file(path)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
            if names(path, fd):
                return fd
        except BlockingIOError:
            os.close(fd)
            return None
        except OSError as error:
            os.close(fd)
            if error.errno in _NO_LOCKS:
                return None
            raise
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)  # its holder gave it another name: wait for whatever is there now


def names(path: str, fd: int) -> bool:
    """Tell whether ``path`` is the file behind ``fd``, and no link to it."""
    try:
        return os.path.samestat(os.fstat(fd), os.lstat(path))
    except FileNotFoundError:
        return False
