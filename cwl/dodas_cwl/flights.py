"""Steps under way: handed to the backend in batches, followed until their last event."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator

from dodas.backend import Backend, Event, Finished
from dodas.errors import SpecError
from dodas.step import Failure, Result, Step

# A batch is one transaction of the backend.  It waits for more, but not for longer than somebody notices.
_LARGEST_BATCH = 500
_LONGEST_WAIT = 0.1


class Flights:
    """What was given to one backend and has not ended yet.

    Args:
        backend: Runs the steps.
        clock: Seconds that never go back.
    """

    def __init__(self, backend: Backend, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._backend = backend
        self._clock = clock
        self._batch: list[Step] = []
        self._since = 0.0
        self._flying: set[str] = set()
        self._unflown: deque[Finished] = deque()

    def __len__(self) -> int:
        return len(self._batch) + len(self._flying) + len(self._unflown)

    def add(self, step: Step) -> None:
        """Take a step; it is handed over with others, a moment later."""
        if not self._batch:
            self._since = self._clock()
        self._batch.append(step)
        if len(self._batch) >= _LARGEST_BATCH or self._clock() - self._since >= _LONGEST_WAIT:
            self.flush()

    def flush(self) -> None:
        """Hand over what waits.  A step that the backend can never run becomes one that failed."""
        batch, self._batch = self._batch, []
        if not batch:
            return
        try:
            self._submit(batch)
        except SpecError:
            for step in batch:
                try:
                    self._submit([step])
                except SpecError as error:
                    reason = f"{error}; {error.hint}" if error.hint else str(error)
                    self._unflown.append(_unsent(step, Failure.LIMIT, reason))

    def events(self, *, wait: bool) -> Iterator[Event]:
        """Yield what happened; with ``wait`` at least one event, if anything is under way."""
        if wait:
            self.flush()
        wait = wait and not self._unflown
        while self._unflown:
            yield self._unflown.popleft()
        if not self._flying:
            return
        for event in self._backend.events(None if wait else 0):
            if isinstance(event, Finished):
                self._flying.discard(event.step)
            yield event

    def cancel(self) -> None:
        """Ask all to end; each still gets its last event."""
        batch, self._batch = self._batch, []
        for step in batch:
            self._unflown.append(_unsent(step, Failure.CANCELLED, "an earlier step failed"))
        self._backend.cancel(sorted(self._flying))

    def _submit(self, steps: list[Step]) -> None:
        self._backend.submit(steps)
        self._flying.update(step.id for step in steps)


def _unsent(step: Step, failure: Failure, reason: str) -> Finished:
    result = Result(step=step.id, failure=failure, reason=reason)
    return Finished(step=step.id, time=time.time(), result=result)
