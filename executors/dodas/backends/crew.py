"""A bounded number of threads for work that waits for other machines."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable


class Crew:
    """Does what it is given, in order, a few things at once.

    Threads come when there is work.  They are daemons: one that hangs on the network must not keep the
    program from ending.

    Args:
        name: Of its threads.
        at_once: How many there are at most.
    """

    def __init__(self, name: str, at_once: int) -> None:
        self._name = name
        self._at_once = at_once
        self._calls: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._mutex = threading.Lock()

    def do(self, call: Callable[[], None]) -> None:
        """Have ``call`` made, which must not raise.  From any thread."""
        self._calls.put(call)
        with self._mutex:
            if len(self._threads) < self._at_once:
                thread = threading.Thread(target=self._serve, name=self._name, daemon=True)
                self._threads.append(thread)
                thread.start()

    def close(self, patience: float) -> None:
        """Wait for what was given, so many seconds at most.  May be repeated."""
        for _ in self._threads:
            self._calls.put(None)
        deadline = time.monotonic() + patience
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _serve(self) -> None:
        while (call := self._calls.get()) is not None:
            call()
