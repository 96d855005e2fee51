"""Locks between processes: ``flock`` on empty files, released by the kernel however a holder dies."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress


def _silent() -> None:
    """Wait without a word."""


@contextmanager
def exclusive(path: str, *, on_wait: Callable[[], None] = _silent, keep: bool = True) -> Iterator[None]:
    """Hold the lock ``path`` alone.

    Args:
        path: Lock file, made when absent; its directory exists.
        on_wait: Called once if somebody else has the lock, before waiting for it.
        keep: Whether the file stays afterwards; locks of things with many names clean up after themselves.
    """
    fd = _acquire(path, fcntl.LOCK_EX, on_wait)
    try:
        yield
    finally:
        _release(fd, path, keep=keep)


@contextmanager
def try_exclusive(path: str, *, keep: bool = True) -> Iterator[bool]:
    """Hold the lock ``path`` alone if nobody has it; the value says whether that is so."""
    try:
        fd = _acquire(path, fcntl.LOCK_EX | fcntl.LOCK_NB, _silent)
    except BlockingIOError:
        yield False
        return
    try:
        yield True
    finally:
        _release(fd, path, keep=keep)


@contextmanager
def shared(path: str, *, on_wait: Callable[[], None] = _silent) -> Iterator[None]:
    """Hold the lock ``path`` together with others; a store that cannot be written to will do."""
    fd = _acquire(path, fcntl.LOCK_SH, on_wait)
    try:
        yield
    finally:
        os.close(fd)


def keep_shared(path: str) -> int:
    """Take the lock ``path`` together with others, as long as the descriptor that is returned is open."""
    return _acquire(path, fcntl.LOCK_SH, _silent)


def is_held(path: str) -> bool:
    """Return whether anybody has the lock ``path``, shared or not."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def _release(fd: int, path: str, *, keep: bool) -> None:
    if not keep:
        with suppress(OSError):
            os.unlink(path)  # while it is ours: see `_still_there`
    os.close(fd)


def _acquire(path: str, how: int, on_wait: Callable[[], None]) -> int:
    while True:
        fd = _open(path)
        try:
            _flock(fd, how, on_wait)
            if _still_there(fd, path):
                return fd
        except BaseException:
            os.close(fd)
            raise
        # The holder removed the file (``keep=False``): what we have is the lock of nobody else.
        os.close(fd)


def _open(path: str) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EROFS, errno.EPERM):
            raise
        try:
            return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            raise error from None


def _flock(fd: int, how: int, on_wait: Callable[[], None]) -> None:
    if how & fcntl.LOCK_NB:
        fcntl.flock(fd, how)
        return
    try:
        fcntl.flock(fd, how | fcntl.LOCK_NB)
    except BlockingIOError:
        on_wait()
        fcntl.flock(fd, how)


def _still_there(fd: int, path: str) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), os.stat(path))
    except FileNotFoundError:
        return False
