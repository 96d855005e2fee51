"""Calls that other threads want made in the loop's thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

from dodas.worker.flag import Flag


class Mailbox:
    """A queue of calls with a descriptor that is readable while there are any."""

    def __init__(self) -> None:
        self._calls: list[Callable[[], None]] = []
        self._mutex = threading.Lock()
        self._flag = Flag()

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._flag.fileno()

    def post(self, call: Callable[[], None]) -> bool:
        """Add a call; return whether it will be made, which it will not once the box is closed."""
        with self._mutex:
            if self._flag.closed:
                return False
            self._calls.append(call)
            if len(self._calls) == 1:
                self._flag.set_up()
            return True

    def calls(self) -> Iterator[Callable[[], None]]:
        """Take what is there."""
        with self._mutex:
            calls, self._calls = self._calls, []
            if calls:
                self._flag.take_down()
        yield from calls

    def close(self) -> list[Callable[[], None]]:
        """Take no more, and return the calls that were taken and not yet made.  May be repeated."""
        with self._mutex:
            self._flag.close()
            calls, self._calls = self._calls, []
            return calls
