"""Events on their way from a backend's thread to whoever asks for them."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator

from dodas.backend import Event, Finished


class Outbox:
    """Keeps events in order, and knows how many steps are still to finish."""

    def __init__(self) -> None:
        self._events: deque[Event] = deque()
        self._changed = threading.Condition()
        self._open = 0

    def expect(self, events: Iterable[Event]) -> None:
        """Take the first event of new steps."""
        with self._changed:
            before = len(self._events)
            self._events.extend(events)
            self._open += len(self._events) - before
            self._changed.notify_all()

    def put(self, event: Event) -> None:
        """Take a later event."""
        with self._changed:
            self._events.append(event)
            if isinstance(event, Finished):
                self._open -= 1
            self._changed.notify_all()

    def events(self, timeout: float | None) -> Iterator[Event]:
        """Yield as :meth:`dodas.backend.Backend.events` says."""
        deadline = None if timeout is None else time.monotonic() + timeout
        with self._changed:
            while not self._events and self._open:
                left = None if deadline is None else deadline - time.monotonic()
                if left is not None and left <= 0:
                    break
                self._changed.wait(left)
            count = len(self._events)
        for _ in range(count):
            try:
                yield self._events.popleft()
            except IndexError:  # another caller was faster
                return
