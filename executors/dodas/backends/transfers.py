"""Inputs fetched from URLs before steps start, outputs brought to URLs after they ended."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial

from dodas.backends.crew import Crew
from dodas.backends.depot import Depot
from dodas.backends.sending import Sending
from dodas.backends.spots import Spots
from dodas.backends.transfernews import Fetched, Told, TransferNews, fail, name_of
from dodas.backends.visits import Visit
from dodas.step import Step

_AT_ONCE = 8
_AHEAD = 8  # steps whose inputs are here before there is room for them
_PATIENCE = 10.0  # seconds that closing waits for transfers to notice


class Transfers:
    """Moves files in threads of its own.  To be used from one thread.

    Args:
        depot: Knows the storage.
        tell: Is given the news, in those threads; must not block.
    """

    def __init__(self, depot: Depot, tell: Callable[[TransferNews], None]) -> None:
        self._depot = depot
        self._tell = tell
        self._fetchers = Crew("dodas-fetch", _AT_ONCE)
        self._publishers = Crew("dodas-publish", _AT_ONCE)
        self._spots = Spots()
        self._visits: dict[str, Visit] = {}
        self._sendings: dict[str, Sending] = {}
        self._waiting: deque[tuple[str, Visit]] = deque()
        self._ahead: set[str] = set()

    def fetch(self, step: Step) -> None:
        """Fetch the inputs of a step; exactly one :class:`Fetched` or :class:`Failed` follows.

        Only so many steps ahead of those that run: what nobody has room for would fill the disk.
        """
        visit = self._visits[step.id] = Visit(step, self._depot, self._spots)
        self._waiting.append((step.id, visit))
        self._go_on()

    def started(self, step: str) -> None:
        """Say that a step runs, so that inputs for another one may be fetched."""
        self._ahead.discard(step)
        self._go_on()

    def publish(self, step: Step) -> None:
        """Publish the outputs of a step; exactly one :class:`Published` or :class:`Failed` follows."""
        sending = self._sendings[step.id] = Sending(step, self._depot, self._publishers, self._tell)
        self._publishers.do(sending.begin)

    def forget(self, step: str) -> None:
        """Say that a step is over, however it ended: what was fetched for it is taken away."""
        sending = self._sendings.pop(step, None)
        if sending is not None:
            sending.over = True
        visit = self._visits.pop(step, None)
        if visit is not None:
            visit.leave()
            self._fetchers.do(visit.clear)
            self.started(step)

    def close(self) -> None:
        """Give up what is under way.  May be repeated."""
        for key in (*self._visits, *self._sendings):
            self.forget(key)
        self._depot.close()
        for crew in (self._fetchers, self._publishers):
            crew.close(_PATIENCE)
        self._depot.close()  # of what was brought in between

    def _go_on(self) -> None:
        while self._waiting and len(self._ahead) < _AHEAD:
            key, visit = self._waiting.popleft()
            if visit.over:
                continue
            self._ahead.add(key)
            for number in range(len(visit.wanted)):
                self._fetchers.do(partial(self._fetch, key, visit, number))

    def _fetch(self, key: str, visit: Visit, number: int) -> None:
        try:
            told = Told(key, f"input {name_of(visit.wanted[number].source)}", self._tell, visit)
            told(0, None)
            if visit.fetch(number, told):
                self._tell(Fetched(key, visit.shown()))
        except Exception as error:  # whatever it is, the step must hear of it
            fail(visit, key, error, self._tell)
        if visit.over:
            visit.leave()
            visit.clear()
