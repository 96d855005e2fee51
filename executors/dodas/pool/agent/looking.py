"""One look at a pool from all sides: its queue, its machines, its providers, and what is remembered."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from dodas.errors import DodasError
from dodas.pool import pilots
from dodas.pool.agent.demand import Known, Observation, buckets
from dodas.pool.agent.matching import attributes, matched
from dodas.pool.agent.observe import Eyes, Machine
from dodas.pool.agent.registry import Registry
from dodas.pool.agent.sources import Sources
from dodas.pool.agent.supply import known
from dodas.pool.description.model import PoolDescription
from dodas.pool.providers.base import Seen, State

_BRIEF = 10.0  # seconds; a job that took less did not get far
_LATELY = 600.0

Failed = Callable[[str, DodasError], None]
Listings = Mapping[str, Sequence[Seen] | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What was seen.

    Attributes:
        observation: What decisions depend on.
        listings: What each provider says; ``None`` for one that could not say.
    """

    observation: Observation
    listings: Listings

    @property
    def seen(self) -> list[Seen]:
        """What all providers say."""
        return [one for listing in self.listings.values() for one in listing or ()]


def look(pool: PoolDescription, eyes: Eyes, registry: Registry, sources: Sources, failed: Failed) -> Look:
    """Look at a pool.

    Args:
        pool: The description.
        eyes: What looks at HTCondor.
        registry: What is remembered.
        sources: The providers.
        failed: Is told of a provider that cannot say what it has.

    Raises:
        BackendUnreachable: HTCondor does not answer.
    """
    names = attributes(pool)
    jobs, machines = eyes.jobs(names), eyes.machines()
    found = listings(pool, sources, failed)
    now = time.time()
    workers = known(
        pool,
        registry.workers(),
        listings=found,
        machines=machines,
        now=now,
        failures=failures(jobs, machines, now),
    )
    worker_hours, core_hours = registry.spent()
    observation = Observation(
        now=now,
        buckets=matched(pool, buckets(jobs, now, names)),
        workers=tuple(_explained(pool, one) for one in workers),
        troubles=registry.troubles(now),
        worker_hours=worker_hours,
        core_hours=core_hours,
        flavour_deaths=registry.deaths(now),
    )
    return Look(observation=observation, listings=found)


def listings(pool: PoolDescription, sources: Sources, failed: Failed) -> Listings:
    """Return what each provider says of its workers."""
    found: dict[str, Sequence[Seen] | None] = {}
    for provider in dict.fromkeys(one.provider for one in pool.flavours):
        found[provider] = None
        try:
            found[provider] = sources.of(pool, provider).list()
        except DodasError as error:
            failed(provider, error)
    return found


def failures(jobs: Sequence[Mapping[str, Any]], machines: Sequence[Machine], now: float) -> Counter[str]:
    """Return how many of the jobs that wait were on a worker last, lately, and hardly began there."""
    workers = {one.worker for one in machines}
    found: Counter[str] = Counter()
    for ad in jobs:
        last = ad.get("LastRemoteHost")
        if last is None:  # as nearly always; to ask for the rest of so many ads would take long
            continue
        _, _, host = str(last).partition("@")
        began, took = ad.get("JobCurrentStartDate", 0), ad.get("LastRemoteWallClockTime", _BRIEF)
        if host.rstrip("@") in workers and float(took) < _BRIEF and float(began) > now - _LATELY:
            found[host.rstrip("@")] += 1
    return found


def _explained(pool: PoolDescription, worker: Known) -> Known:
    """Return a worker with what it said itself, if its provider does not know why it ended."""
    if worker.provider_state not in {State.ENDED, State.FAILED}:
        return worker
    phase, reason = pilots.status(pool.name, worker.worker) or ("", "")
    state = State.FAILED if phase == "unfit" else worker.provider_state
    return replace(worker, provider_state=state, reason=reason or worker.reason)
