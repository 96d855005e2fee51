"""What `dodas pool` says of a pool that follows its queue: how it is now, and what its agent remembers."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from typing import Any

from dodas.errors import DodasError, SpecError
from dodas.pool.access import configure
from dodas.pool.agent import metrics
from dodas.pool.agent.by_hand import ByHand
from dodas.pool.agent.demand import Observation, buckets
from dodas.pool.agent.explaining import Answer, lately, why_stopped, why_waiting
from dodas.pool.agent.looking import look
from dodas.pool.agent.matching import attributes, matched
from dodas.pool.agent.observe import Eyes
from dodas.pool.agent.registry import Registry
from dodas.pool.agent.sources import Sources
from dodas.pool.agent.supply import Row, flavour_of
from dodas.pool.description.model import PoolDescription
from dodas.pool.layout import Layout
from dodas.pool.look import STATES

_LATEST = 40


class Asked:
    """A pool about which something is asked; nothing of it is changed.

    Args:
        pool: The description.

    Raises:
        DodasError: The pool is not up.
    """

    def __init__(self, pool: PoolDescription) -> None:
        self._pool = ByHand(pool.name).applied(pool)
        self._layout = Layout(pool.name)
        self._eyes = Eyes(configure(pool.name))

    def why(self, what: str) -> Answer:
        """Return why a job waits, why a worker came or went, or what was decided lately.

        Raises:
            SpecError: There is no such job or worker.
        """
        with memory(self._layout) as registry:
            if not what:
                return lately(self._pool, self._seen(registry), registry.decisions(limit=_LATEST))
            if flavour_of(self._pool, what) or registry.worker(what):
                return why_stopped(what, registry.worker(what), registry.decisions(worker=what))
            return self._job(registry, what)

    def metrics(self) -> str:
        """Return demand and supply as Prometheus text."""
        with memory(self._layout) as registry:
            last = registry.last_look()
            age = time.time() - last if last else None
            return metrics.render(self._pool, self._seen(registry), registry.counts(), age)

    def _seen(self, registry: Registry) -> Observation:
        return look(self._pool, self._eyes, registry, Sources(self._layout), _ignored).observation

    def _job(self, registry: Registry, what: str) -> Answer:
        names = attributes(self._pool)
        ad = self._eyes.job(what, names)
        waiting = matched(self._pool, buckets([ad], time.time(), names))
        if not waiting:
            line = f"{what} does not wait: it is {STATES.get(ad.get('JobStatus', 0), 'over')}"
            reason = str(ad.get("HoldReason", ""))
            lines = (line, *((reason,) if reason else ()))
            return Answer(lines=lines, facts={"job": what, "status": ad.get("JobStatus"), "reason": reason})
        return why_waiting(self._pool, self._seen(registry), waiting[0], registry.decisions())


def memory(layout: Layout) -> Registry:
    """Open what the agent remembers, for reading.

    Raises:
        SpecError: There is nothing yet.
    """
    path = layout.at("agent.sqlite")
    if not os.path.exists(path):
        raise SpecError(
            f"the agent of the pool {layout.name} has not looked yet", hint=f"see {layout.at('agent.log')}"
        )
    return Registry(path, readonly=True)


def workers(layout: Layout, ended: int = 5) -> Iterator[Mapping[str, Any]]:
    """Yield the workers of a pool, and the last ones that ended, as plain values."""
    if os.path.exists(layout.at("agent.sqlite")):
        with memory(layout) as registry:
            for row in (*registry.workers(), *registry.ended(ended)):
                yield _plain(row)


def _plain(row: Row) -> Mapping[str, Any]:
    return {
        "name": row.name,
        "flavour": row.flavour,
        "provider": row.provider,
        "phase": row.phase.value,
        "since": row.since,
        "handle": row.handle,
        "node": row.node,
        "reason": row.reason,
    }


def _ignored(provider: str, error: DodasError) -> None:
    """Say nothing: the agent does."""
