"""Wakes a selector when a file grows: inotify(7), with a look at the size now and then where it cannot see.

inotify tells nothing of what other machines write on a network file system.
"""

from __future__ import annotations

import ctypes
import os
from contextlib import suppress

_IN_MODIFY = 0x2
_PIECE = 1 << 16


class Watch:
    """Watches one file, which exists.

    Attributes:
        works: Whether it can; else there is nothing to select on.
    """

    def __init__(self, path: str) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor: int = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._descriptor >= 0:
            added = libc.inotify_add_watch(self._descriptor, os.fsencode(path), _IN_MODIFY)
            if added < 0:
                self.close()
        self.works = self._descriptor >= 0

    def fileno(self) -> int:
        """Return the descriptor, readable when something was written."""
        return self._descriptor

    def clear(self) -> None:
        """Forget what was told so far."""
        with suppress(BlockingIOError):
            while os.read(self._descriptor, _PIECE):
                pass

    def close(self) -> None:
        """Watch no more.  May be repeated."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1
        self.works = False
