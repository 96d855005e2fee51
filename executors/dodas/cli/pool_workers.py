"""The workers of a pool that follows its queue, as `dodas pool status` and `logs` show them."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dodas.cli.tally import printable
from dodas.errors import DodasError, SpecError
from dodas.pool.layout import Layout, known

_ENDED = 5


@dataclass(frozen=True, slots=True)
class Demand:
    """What follows the queue of a pool.

    Attributes:
        agent: Process id of the agent; 0 when it does not run.
        workers: Those that there are, and the last ones that ended.
    """

    agent: int
    workers: Sequence[Mapping[str, Any]]


def of(layout: Layout) -> Demand | None:
    """Return what follows a pool's queue; nothing for a pool of this host alone."""
    if not os.path.exists(layout.description):
        return None
    from dodas.pool.agent import answers, process

    return Demand(process.pid(layout.name), tuple(answers.workers(layout, _ENDED)))


def plain(demand: Demand | None) -> Mapping[str, Any]:
    """Return it as plain values."""
    return {} if demand is None else {"agent": demand.agent, "workers": list(demand.workers)}


def show(name: str, demand: Demand | None) -> None:
    """Print it."""
    if demand is None:
        return
    ended = f"ended; start it: dodas pool heal {name}"
    print(f"  agent: {f'process {demand.agent}' if demand.agent else ended}")
    phases = Counter(one["phase"] for one in demand.workers if one["phase"] != "over")
    print(f"  workers: {', '.join(f'{count} {phase}' for phase, count in phases.items()) or 'none'}")
    for one in demand.workers:
        since = _ago(one["since"])
        where = " on ".join(filter(None, (one["handle"], one["node"])))
        why = f": {one['reason']}" if one["reason"] else ""
        print(printable(f"    {one['name']:<36} {one['phase']:<9} {since:>5}  {where}{why}"))


def logs(name: str, worker: str) -> int:
    """Print what a worker wrote: what its provider has, and its daemons' logs where they can be read."""
    from dodas.pool.agent.answers import memory
    from dodas.pool.agent.sources import make
    from dodas.pool.look import tail
    from dodas.pool.on_demand import described

    layout = known(name)
    pool = described(name)
    with memory(layout) as registry:
        row = registry.worker(worker)
    if row is None:
        raise SpecError(f"the pool {name} has had no worker {worker}", hint=f"see: dodas pool status {name}")
    try:
        print(make(layout, pool, row.provider).logs(worker), end="")
    except DodasError as error:
        print(f"({error})")
    folder = layout.at("workers", worker, "log")
    names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    for file in (name for name in names if not name.startswith(".")):  # those hold secrets of the daemons
        for line in tail(os.path.join(folder, file), 20):
            print(f"{file}: {printable(line)}")
    return 0


def _ago(since: float) -> str:
    seconds = max(0, int(time.time() - since))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"
