"""Many transfers at once: as many as there are threads, and none waits for one that has failed."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Generic, TypeVar

from dodas.errors import DodasError

_UNTOLD = 64  # outcomes for each thread
_PACE = 0.003  # seconds

Job = TypeVar("Job")
Result = TypeVar("Result")


class Stopped(BaseException):
    """Ends a transfer of which nobody wants to hear any more."""


def run(
    jobs: Iterable[Job],
    work: Callable[[Job, Callable[[], None]], Result],
    on_done: Callable[[Job, Result | DodasError], object],
    *,
    at_once: int,
) -> None:
    """Do all jobs; those that fail with a `DodasError` do not keep the others from being done.

    Args:
        jobs: What to do; taken as threads become free, so that there may be any number.
        work: Does one, in a thread of its own; what it is given raises `Stopped` when it is to end.
        on_done: Told of each in the thread of the caller, one after the other, as they end.
        at_once: How many threads.

    Raises:
        Exception: Whatever ``on_done`` or ``jobs`` raise, or ``work`` besides a `DodasError`; what is under
            way is ended first.
    """
    crew = _Crew(iter(jobs), work, at_once)
    try:
        for job, outcome in crew.outcomes():
            on_done(job, outcome)
    finally:
        crew.dismiss()


class _Crew(Generic[Job, Result]):
    def __init__(
        self, jobs: Iterator[Job], work: Callable[[Job, Callable[[], None]], Result], at_once: int
    ) -> None:
        self._jobs, self._work = jobs, work
        self._turn = threading.Lock()
        self._over = threading.Event()
        self._done: queue.Queue[tuple[Job, Result | DodasError] | BaseException | None] = queue.Queue(
            _UNTOLD * at_once
        )
        self._threads = [threading.Thread(target=self._serve, daemon=True) for _ in range(at_once)]
        for thread in self._threads:
            thread.start()

    def outcomes(self) -> Iterator[tuple[Job, Result | DodasError]]:
        """Yield each job with what came of it."""
        left = len(self._threads)
        while left:
            if self._done.empty():
                # Whoever is woken takes the processor from those at work, so let some come.
                time.sleep(_PACE)
            item = self._done.get()
            if item is None:
                left -= 1
            elif isinstance(item, BaseException):
                raise item
            else:
                yield item

    def dismiss(self) -> None:
        """End what is under way."""
        self._over.set()
        while any(thread.is_alive() for thread in self._threads):
            with suppress(queue.Empty):
                self._done.get(timeout=0.05)

    def _serve(self) -> None:
        try:
            while not self._over.is_set():
                with self._turn:
                    job = next(self._jobs)
                self._put((job, self._outcome(job)))
        except StopIteration:
            pass
        except BaseException as error:
            self._put(error)
        finally:
            self._put(None)

    def _outcome(self, job: Job) -> Result | DodasError:
        try:
            return self._work(job, self._check)
        except DodasError as error:
            return error

    def _check(self) -> None:
        if self._over.is_set():
            raise Stopped

    def _put(self, item: tuple[Job, Result | DodasError] | BaseException | None) -> None:
        while True:
            try:
                self._done.put(item, timeout=0.5)
                return
            except queue.Full:
                if self._over.is_set():
                    return
