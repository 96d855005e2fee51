"""Waiting for files to change, without looking again and again (inotify(7))."""

from __future__ import annotations

import ctypes
import os
import select
import time
from collections.abc import Callable, Iterable
from contextlib import suppress

_MODIFY, _MOVED_TO, _CREATE = 0x2, 0x80, 0x100
_LONGEST = 1.0  # seconds until files are looked at anyway: some file systems tell nothing


class Changes:
    """Tells when something in some directories changed."""

    def __init__(self, directories: Iterable[str]) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._fd: int = libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
        if self._fd >= 0:
            for path in directories:
                libc.inotify_add_watch(self._fd, os.fsencode(path), _MODIFY | _MOVED_TO | _CREATE)

    def until(self, done: Callable[[], bool], *, seconds: float, process: int) -> bool:
        """Wait until ``done()``, looking at each change; return whether it is so.

        Args:
            done: What is waited for.
            seconds: How long at most.
            process: Descriptor of a process (pidfd_open(2)) whose end ends the waiting too.
        """
        deadline = time.monotonic() + seconds
        poll = select.poll()
        for descriptor in (self._fd, process):
            if descriptor >= 0:
                poll.register(descriptor, select.POLLIN)
        while not done():
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            events = dict(poll.poll(min(left, _LONGEST) * 1000))
            if process in events:
                return done()
            with suppress(BlockingIOError):
                if self._fd in events:
                    os.read(self._fd, 1 << 16)
        return True

    def close(self) -> None:
        """Watch no longer."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
