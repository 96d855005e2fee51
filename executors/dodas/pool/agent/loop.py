"""Looks at a pool, decides, and does: one cycle after the other."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from types import TracebackType

from dodas.errors import BackendError, DodasError
from dodas.pool import on_demand, pilots, visits
from dodas.pool.access import configure
from dodas.pool.agent import requests
from dodas.pool.agent.by_hand import ByHand
from dodas.pool.agent.decide import decide
from dodas.pool.agent.demand import Act, Decision, Phase
from dodas.pool.agent.limits import after
from dodas.pool.agent.looking import Failed, Listings, listings, look
from dodas.pool.agent.observe import Eyes
from dodas.pool.agent.registry import Registry
from dodas.pool.agent.sources import Sources
from dodas.pool.definition import Definition
from dodas.pool.description.model import PoolDescription
from dodas.pool.layout import Layout
from dodas.pool.providers.base import ProviderError, State

_KEPT = 30  # workers that are over whose logs are kept
_PAUSE = 1.0  # seconds between looks at workers that are to end
_PATIENCE = 60.0  # seconds in which they must have
_AGAIN = 10.0  # seconds until a pool is looked at again that did not answer


class Agent:
    """The agent of one pool, to be used as a context.

    Args:
        pool: Its name.

    Raises:
        DodasError: The pool is not up, or its description cannot be read.
    """

    def __init__(self, pool: str) -> None:
        self._name = pool
        self._layout = Layout(pool)
        self._eyes = Eyes(configure(pool))
        self._registry = Registry(self._layout.at("agent.sqlite"))
        self._sources = Sources(self._layout)
        self._used = time.monotonic()
        self._mute: set[str] = set()  # providers whose only trouble is that they do not answer

    def __enter__(self) -> Agent:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._registry.close()

    def cycle(self) -> float:
        """Look, decide and do; return the seconds until the next look."""
        try:
            pool = ByHand(self._name).applied(on_demand.described(self._name))
            self._heed(pool, requests.taken(self._name))
            now = time.time()
            sight = look(pool, self._eyes, self._registry, self._sources, self._failed(pool))
            self._registry.see(pool, sight.observation.workers, now, sight.seen)
            self._well(sight.listings)
            self._act(pool, decide(pool, sight.observation))
        except BackendError as error:
            say(f"cannot look at the pool: {error}")
            return _AGAIN
        self._go_if_left(pool)
        return pool.elasticity.interval

    def _go_if_left(self, pool: PoolDescription) -> None:
        """End the pool if a workflow brought it up, and for a while nobody has had a use for it."""
        now = time.monotonic()
        # Workers of which some are to be there always stay as long as the pool does.
        kept = {one.name for one in pool.flavours if one.minimum}
        working = any(row.flavour not in kept for row in self._registry.workers())
        patience = pool.elasticity.idle_pool
        if not patience or working or not visits.is_left(self._layout) or self._eyes.unfinished():
            self._used = now
        elif now - self._used >= patience:
            self._used = now
            say("no workflow needs the pool any more")
            visits.let_go(self._layout)

    def end_all(self) -> None:
        """Have all workers end, and wait until they have; those that do not are told more and more firmly."""
        pool = on_demand.described(self._name)
        deadline, firmly = time.monotonic() + _PATIENCE, 0.0
        while time.monotonic() < deadline:
            alive = self._alive(pool)
            if not any(alive.values()):
                for provider in alive:  # nothing that was there for all of them is to stay either
                    self._told(pool, provider, ())
                return
            if time.monotonic() >= firmly:
                firmly = time.monotonic() + 5 * _PAUSE
                for provider, workers in alive.items():
                    self._told(pool, provider, workers)
            time.sleep(_PAUSE)
        say("some workers may still be there")

    def _failed(self, pool: PoolDescription) -> Failed:
        def failed(provider: str, error: DodasError) -> None:
            if provider not in {one.provider for one in self._registry.troubles(time.time())}:
                self._mute.add(provider)
            self._trouble(pool, provider, error)

        return failed

    def _well(self, listings: Listings) -> None:
        """Note the providers that answer again."""
        for provider, listing in listings.items():
            if listing is not None and provider in self._mute:
                self._mute.discard(provider)
                self._registry.healthy(provider)

    def _heed(self, pool: PoolDescription, replaced: list[str] | None) -> None:
        """Do what people asked for: end these workers, and ask providers again that were left alone."""
        if replaced is None:
            return
        for trouble in self._registry.troubles(time.time()):
            self._registry.healthy(trouble.provider)
        there = [row for row in self._registry.workers() if row.name in replaced]
        self._act(
            pool,
            [
                Decision(kind=Act.TERMINATE, worker=row.name, flavour=row.flavour, reason="it was asked for")
                for row in there
            ],
        )

    def _act(self, pool: PoolDescription, decisions: Sequence[Decision]) -> None:
        rows = {row.name: row.provider for row in self._registry.workers()}
        self._registry.apply(decisions, time.time())
        for one in decisions:
            if one.kind is not Act.WAIT:
                say(f"{one.kind.value} {one.worker or f'{one.count} {one.flavour}'}: {one.reason}")
        by_provider: dict[str, list[str]] = {}
        for one in decisions:
            if one.kind is Act.LAUNCH:
                self._launch(pool, one)
            elif one.kind in {Act.DRAIN, Act.TERMINATE, Act.FORGET}:  # some keep a machine for what has ended
                by_provider.setdefault(rows.get(one.worker, ""), []).append(one.worker)
        for provider, workers in by_provider.items():
            self._told(pool, provider, workers)
        gone = [one.worker for one in decisions if one.kind is Act.FORGET]
        self._eyes.forget(gone)
        if gone:
            self._tidy()

    def _launch(self, pool: PoolDescription, decision: Decision) -> None:
        flavour = pool.flavour(decision.flavour)
        orders = pilots.Orders(pool, Definition.of(self._layout))
        workers = [orders.new(flavour) for _ in range(decision.count)]
        names = [worker.name for worker in workers]
        self._registry.ask(names, flavour=flavour.name, provider=flavour.provider, now=time.time())
        try:
            for worker in workers:
                orders.write(worker)
            self._sources.of(pool, flavour.provider).launch(workers)
            self._registry.healthy(flavour.provider)
        except DodasError as error:
            self._trouble(pool, flavour.provider, error)
            # Those that the provider has all the same are seen in its list, and taken in again.
            for name in names:
                self._registry.mark(name, Phase.OVER, time.time(), str(error))

    def _told(self, pool: PoolDescription, provider: str, workers: Sequence[str]) -> None:
        """Have workers end."""
        if not any(one.name == provider for one in pool.providers):
            return
        try:
            self._sources.of(pool, provider).terminate(workers)
        except DodasError as error:
            self._trouble(pool, provider, error)

    def _alive(self, pool: PoolDescription) -> dict[str, list[str]]:
        living = (State.PENDING, State.RUNNING)
        return {
            provider: [one.worker for one in seen or () if one.state in living]
            for provider, seen in listings(pool, self._sources, self._failed(pool)).items()
        }

    def _trouble(self, pool: PoolDescription, provider: str, error: DodasError) -> None:
        before = {one.provider: one for one in self._registry.troubles(time.time())}
        asked = error.retry_after if isinstance(error, ProviderError) else None
        failures = before[provider].failures if provider in before else 0
        # One that says when to come again has not failed.
        failures = max(1, failures if asked is not None else failures + 1)
        reason = f"{error}; {error.hint}" if error.hint else str(error)
        self._registry.trouble(after(reason, pool, provider, failures, asked), time.time())
        say(f"provider {provider}: {reason}")

    def _tidy(self) -> None:
        """Remove what workers left that ended long ago."""
        kept = {row.name for row in (*self._registry.workers(), *self._registry.ended(_KEPT))}
        with os.scandir(self._layout.at("workers")) as entries:
            old = [entry.name for entry in entries if entry.name[:1] != "." and entry.name not in kept]
        for name in old:
            pilots.forget(self._name, name)


def say(text: str) -> None:
    """Write a line into the agent's log."""
    print(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}", flush=True)
