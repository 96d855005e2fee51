"""Calls that other threads want made in the loop's thread."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator


class Mailbox:
    """A queue of calls with a descriptor that is readable while there are any."""

    def __init__(self) -> None:
        self._calls: list[Callable[[], None]] = []
        self._mutex = threading.Lock()
        self._flag = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._flag

    def post(self, call: Callable[[], None]) -> bool:
        """Add a call; return whether it will be made, which it will not once the box is closed."""
        with self._mutex:
            if self._flag < 0:
                return False
            self._calls.append(call)
            if len(self._calls) == 1:
                os.eventfd_write(self._flag, 1)
            return True

    def calls(self) -> Iterator[Callable[[], None]]:
        """Take what is there."""
        with self._mutex:
            calls, self._calls = self._calls, []
            if calls:
                os.eventfd_read(self._flag)
        yield from calls

    def close(self) -> list[Callable[[], None]]:
        """Take no more, and return the calls that were taken and not yet made.  May be repeated."""
        with self._mutex:
            if self._flag >= 0:
                os.close(self._flag)
                self._flag = -1
            calls, self._calls = self._calls, []
            return calls
