"""What becomes of a queue under different ways to decide how many workers there are."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from math import ceil
from pathlib import Path

from benchmarks.pools.controllers import Controller, Fixed, Linear, Ours
from benchmarks.pools.nodes import CORES, MOST
from benchmarks.pools.recorded import Recorded, clusters, workflows
from benchmarks.pools.report import Cell, Section
from benchmarks.pools.traces import TRACES
from benchmarks.pools.world import World

_BOOTS = (60.0, 300.0)


def measure(instances: Path | None = None) -> list[Section]:
    """Run queues that are made and queues that were recorded; workflows if a checkout of them is named."""
    made = [Recorded(name=name, source="", jobs=make) for name, make in TRACES.items()]
    recorded = [*clusters(), *(workflows(instances) if instances else ())]
    return [_section(one, boot) for one in (*made, *recorded) for boot in _BOOTS]


def _section(queue: Recorded, boot: float) -> Section:
    """Run one queue under each way, on workers that take ``boot`` seconds, more or less, to come."""
    jobs = queue.jobs()
    needed = sum(job.cores * job.seconds for job in jobs)
    span = max(job.arrives for job in jobs) + 3600
    mean = min(MOST, ceil(needed / span / CORES))
    ways: dict[str, Callable[[], Controller]] = {
        "dodas": lambda: Ours(idle=300.0),
        "dodas, idle 60 s": lambda: Ours(idle=60.0),
        "by utilisation": lambda: Linear(rate=1.0),
        "by utilisation, a tenth of the rate": lambda: Linear(rate=0.1),
        f"fixed, {MOST} workers (maximum)": lambda: Fixed(MOST),
    }
    if mean < MOST:
        ways[f"fixed, {mean} workers (mean demand)"] = lambda: Fixed(mean)
    rows = [{"way": way, **_figures(World(queue.jobs(), make(), boot=boot))} for way, make in ways.items()]
    text = (
        f"{queue.source} {len(jobs)} jobs, {needed / 3600:.0f} core-hours; workers of {CORES} cores, {MOST}"
        f" at most, that take about {boot:g} s to come."
    )
    return Section(title=f"{queue.name}, boot {boot:g} s", text=text.strip(), rows=rows)


def _figures(world: World) -> dict[str, Cell]:
    world.run()
    jobs = world.jobs
    waits = sorted(job.started - job.ready for job in jobs)
    needed = sum(job.cores * job.seconds for job in jobs)
    return {
        "drained after h": round(max(job.started + job.seconds for job in jobs) / 3600, 2),
        "pool at zero after h": "never" if world.nodes else round(world.now / 3600, 2),
        "wait median s": round(statistics.median(waits)),
        "wait 95 % s": round(_quantile(waits, 0.95)),
        "used core-h": round(world.paid / 3600),
        "used / needed": round(world.paid / needed, 2),
        "workers started": world.started,
        "most at once": world.most,
    }


def _quantile(values: Sequence[float], part: float) -> float:
    return values[min(len(values) - 1, int(part * len(values)))]
