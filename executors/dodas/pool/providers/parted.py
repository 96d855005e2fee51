"""Workers whose platform forgets them as soon as they are gone, because they were told to go."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence

from dodas.pool.providers.base import Seen, State

_REMEMBERED = 600.0  # seconds


class Parted:
    """Says that workers have ended which would only be missing from a list.

    To whoever reads the list a missing worker may be one that the platform lost, or does not show yet.

    Args:
        clock: Tells the time, which only goes on.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._there: set[str] = set()
        self._told: dict[str, float] = {}

    def tell(self, workers: Iterable[str]) -> None:
        """Note that workers are told to end; those that were never seen are nobody."""
        now = self._clock()
        for worker in workers:
            if worker in self._there:
                self._told.setdefault(worker, now)

    def complete(self, seen: Sequence[Seen]) -> Sequence[Seen]:
        """Return a list with those that were told, and are not in it any more, for ten minutes."""
        self._there = {one.worker for one in seen}
        oldest = self._clock() - _REMEMBERED
        self._told = {name: at for name, at in self._told.items() if at > oldest or name in self._there}
        gone = sorted(set(self._told) - self._there)
        return [*seen, *(Seen(worker=name, state=State.ENDED, reason="it was told to end") for name in gone)]
