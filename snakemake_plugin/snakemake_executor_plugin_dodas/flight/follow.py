"""One thread that waits for what a backend tells; it sleeps while nothing is in flight."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from dodas.backend import Backend, Finished, Preparing
from dodas.errors import DodasError
from dodas.step import Failure, Result, Step


class Follower:
    """Hands steps to a backend and results to a function.

    The function is called once for each step that was submitted, one at a time and in the follower's own
    thread; it may submit more.

    Args:
        backend: Where steps run.
        ended: The function.
        delayed: Is told, in the same thread, what holds up which step.
    """

    def __init__(
        self, backend: Backend, ended: Callable[[Result], None], delayed: Callable[[str, str], None]
    ) -> None:
        self._backend = backend
        self._ended = ended
        self._delayed = delayed
        self._changed = threading.Condition()
        self._flying: set[str] = set()
        self._closing = False
        self._thread = threading.Thread(target=self._follow, name="dodas-events", daemon=True)
        self._thread.start()

    def submit(self, steps: Sequence[Step]) -> None:
        """Submit steps; errors are those of :meth:`dodas.backend.Backend.submit`."""
        ids = {step.id for step in steps}
        with self._changed:
            self._backend.submit(steps)
            self._flying |= ids
            self._changed.notify_all()

    def cancel(self, steps: Sequence[str] | None = None) -> None:
        """Ask for steps to end, all in flight by default."""
        with self._changed:
            steps = list(self._flying) if steps is None else steps
        self._backend.cancel(steps)

    def close(self, patience: float = 60.0) -> None:
        """Wait until nothing is in flight, at most ``patience`` seconds, and close the backend."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        try:
            if self._thread is not threading.current_thread():
                self._thread.join(patience)
        finally:
            self._backend.close()

    def _follow(self) -> None:
        while self._wait():
            try:
                for event in self._backend.events():
                    if isinstance(event, Finished):
                        self._settle(event.result)
                    elif isinstance(event, Preparing):
                        self._delayed(event.step, event.what)
            except DodasError as error:
                self._lose(str(error))

    def _wait(self) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._flying or self._closing)
            return bool(self._flying)

    def _lose(self, reason: str) -> None:
        with self._changed:
            lost = list(self._flying)
        for step in lost:
            self._settle(Result(step=step, failure=Failure.LOST, reason=reason))

    def _settle(self, result: Result) -> None:
        with self._changed:
            known = result.step in self._flying
            self._flying.discard(result.step)
        if known:
            self._ended(result)
