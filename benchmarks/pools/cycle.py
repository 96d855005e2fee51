"""How long one look takes to decide about, and how much memory, for pools of up to 10,000 workers."""

from __future__ import annotations

import random
import statistics
import time
import tracemalloc
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from typing import TypeVar

import classad2

from benchmarks.pools.report import Section
from dodas.backends.htcondor import ads
from dodas.backends.htcondor.policy import Policy
from dodas.pool.agent import matching
from dodas.pool.agent.decide import plan
from dodas.pool.agent.demand import Known, Observation, Phase, buckets
from dodas.pool.agent.looking import failures
from dodas.pool.agent.observe import Machine
from dodas.pool.description.model import Elasticity, Flavour, PoolDescription
from dodas.pool.providers.base import State

_NOW = 1_800_000_000.0
_MIB, _GIB = 1 << 20, 1 << 30
_KINDS = 500
_EACH = 10  # jobs that wait, for each worker
_REPEAT = 5
# What jobs of dodas require beside what their step does, see `dodas.backends.htcondor.ads`.
_PAST = ads._requirements(Policy())
_PHASES = ((Phase.BUSY, 80), (Phase.IDLE, 5), (Phase.BOOTING, 8), (Phase.PENDING, 3), (Phase.DRAINING, 4))

Ad = dict[str, object]
T = TypeVar("T")


def measure() -> list[Section]:
    rows = [
        _aside(_row, workers) | {"look, dodas's": _aside(_ours, workers)}
        for workers in (1_000, 2_500, 5_000, 10_000)
    ]
    text = (
        f"Waiting jobs of {_KINDS} kinds; workers of five flavours, four in five of them busy and partly"
        " filled; two thousand workers may be started. Milliseconds of the processor, median of"
        f" {_REPEAT}. Grouping: of plain mappings, and of HTCondor's ClassAds, whose Requirements are"
        " expressions. Matching: with nothing remembered, and later. Whole look: finding jobs that failed at"
        " once, grouping, matching and deciding, with plain mappings, with ClassAds, and with ClassAds of"
        " jobs as dodas submits them, whose Requirements are long and refer to the job's own past. Wall: the"
        " least time of a look at ClassAds. Peak: what one look allocates, without the ads."
    )
    return [Section(title="One look", text=text, rows=rows)]


def description(room: int) -> PoolDescription:
    """Return a pool of five flavours, which may have ``room`` workers each."""
    sizes = ((4, 8, 0), (8, 16, 0), (16, 64, 0), (32, 64, 0), (16, 64, 2))
    flavours = tuple(
        Flavour(
            name=f"f{number}",
            provider=f"provider{number % 3}",
            cores=cores,
            memory=memory * _GIB,
            gpus=gpus,
            maximum=room,
            start="TARGET.JobPrio > -20",
        )
        for number, (cores, memory, gpus) in enumerate(sizes)
    )
    return PoolDescription(name="bench", flavours=flavours, elasticity=Elasticity(step=2000))


def queue(jobs: int, chance: random.Random) -> list[Ad]:
    """Return the ads of a queue, as the schedd gives them."""
    kinds = [
        {
            "RequestCpus": chance.choice([1, 1, 1, 2, 4, 8]),
            "RequestMemory": chance.randrange(256, 16_000, 64),
            "RequestGPUs": chance.choice([0] * 19 + [1]),
            "RequestDisk": chance.randrange(1 << 10, 1 << 22, 1 << 10),
            "Requirements": f'(TARGET.Arch == "X86_64") && (TARGET.Cpus >= RequestCpus) && {number} >= 0',
            "JobPrio": 0,
        }
        for number in range(_KINDS)
    ]
    return [
        {
            **chance.choice(kinds),
            "JobStatus": 1,
            "JobUniverse": 5,
            "ClusterId": 1 + number // 1000,
            "ProcId": number % 1000,
            "QDate": _NOW - chance.randrange(1, 9000),
            "EnteredCurrentStatus": _NOW - chance.randrange(1, 9000),
            "Owner": "user",
        }
        for number in range(jobs)
    ]


def supply(pool: PoolDescription, workers: int, chance: random.Random) -> tuple[Known, ...]:
    """Return the workers of a pool."""
    phases = chance.choices([phase for phase, _ in _PHASES], [weight for _, weight in _PHASES], k=workers)
    return tuple(_worker(pool, number, phase, chance) for number, phase in enumerate(phases))


def _worker(pool: PoolDescription, number: int, phase: Phase, chance: random.Random) -> Known:
    flavour = chance.choice(pool.flavours)
    jobs = chance.randint(flavour.cores // 2, flavour.cores) if phase is Phase.BUSY else 0
    joined = phase in {Phase.BUSY, Phase.IDLE, Phase.DRAINING}
    used = sum(chance.randrange(128, 512) for _ in range(jobs)) * _MIB
    return Known(
        worker=f"bench-{flavour.name}-{number:08x}",
        flavour=flavour.name,
        state=phase,
        since=float(chance.randrange(0, 250)),
        age=10.0 * chance.randrange(1, 60),
        free_cores=flavour.cores - jobs if joined else 0,
        free_memory=max(0, flavour.memory - used) if joined else 0,
        free_gpus=flavour.gpus if joined and not jobs else 0,
        jobs=jobs,
        heard=float(chance.randrange(1, 30)) if joined else None,
        provider_state=State.PENDING if phase is Phase.PENDING else State.RUNNING,
    )


def _aside(measured: Callable[[int], T], workers: int) -> T:
    """Measure in a process of its own: what was there before would lie between the ads in memory."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(measured, workers).result()


def _row(workers: int) -> dict[str, str | int | float]:
    jobs = _EACH * workers
    chance = random.Random(workers)
    pool = description(workers)
    plain, there = queue(jobs, chance), supply(pool, workers, chance)
    names = matching.attributes(pool)
    grouped = buckets(plain, _NOW, names)
    matching._verdict.cache_clear()
    cold = _milliseconds(lambda: matching.matched(pool, grouped), 1)
    machines = [_machine(one) for one in there if one.heard is not None]
    seen = Observation(now=_NOW, buckets=matching.matched(pool, grouped), workers=there)

    def look(queue: Sequence[Mapping[str, object]]) -> None:
        _look(pool, queue, machines, seen)

    row: dict[str, str | int | float] = {
        "workers": workers,
        "jobs": jobs,
        "group": round(_milliseconds(lambda: buckets(plain, _NOW, names)), 1),
        "match, first": round(cold, 1),
        "match": round(_milliseconds(lambda: matching.matched(pool, grouped)), 1),
        "decide": round(_milliseconds(lambda: plan(pool, seen)), 1),
        "whole look": round(_milliseconds(lambda: look(plain)), 1),
        "peak MiB": round(_peak(lambda: look(plain)), 1),
        "launched": sum(one.count for one in plan(pool, seen).decisions if one.kind.value == "launch"),
    }
    own = [_own(ad) for ad in plain]
    row |= {
        "group ClassAds": round(_milliseconds(lambda: buckets(own, _NOW, names)), 1),
        "look, ClassAds": round(_milliseconds(lambda: look(own)), 1),
        "wall": round(_wall(lambda: look(own)), 1),
    }
    return row


def _ours(workers: int) -> float:
    """Return how long a look at jobs takes that dodas submitted."""
    chance = random.Random(workers)
    pool = description(workers)
    plain, there = queue(_EACH * workers, chance), supply(pool, workers, chance)
    jobs = [_own({**ad, "Requirements": f"{_PAST} && {ad['Requirements']}"}) for ad in plain]
    machines = [_machine(one) for one in there if one.heard is not None]
    seen = Observation(now=_NOW, workers=there)
    _look(pool, jobs, machines, seen)  # what is remembered from look to look
    return round(_milliseconds(lambda: _look(pool, jobs, machines, seen)), 1)


def _look(
    pool: PoolDescription,
    queue: Sequence[Mapping[str, object]],
    machines: Sequence[Machine],
    seen: Observation,
) -> None:
    failures(queue, machines, _NOW)
    found = matching.matched(pool, buckets(queue, _NOW, matching.attributes(pool)))
    plan(pool, replace(seen, buckets=found))


def _machine(one: Known) -> Machine:
    return Machine(
        worker=one.worker,
        flavour=one.flavour,
        free_cores=one.free_cores,
        free_memory=one.free_memory,
        free_disk=0,
        free_gpus=one.free_gpus,
        jobs=one.jobs,
        heard=one.heard or 0.0,
        leaving=one.state is Phase.DRAINING,
    )


def _own(ad: Ad) -> classad2.ClassAd:
    """Return an ad of HTCondor's, in which Requirements are an expression."""
    found = classad2.ClassAd(ad)
    found["Requirements"] = classad2.ExprTree(ad["Requirements"])
    return found


def _milliseconds(work: Callable[[], object], repeat: int = _REPEAT) -> float:
    """Return what something takes of the processor, which others on this machine hardly change."""
    return 1000 * statistics.median(_times(work, repeat, time.process_time))


def _wall(work: Callable[[], object]) -> float:
    return 1000 * min(_times(work, _REPEAT, time.perf_counter))


def _times(work: Callable[[], object], repeat: int, clock: Callable[[], float]) -> list[float]:
    times = []
    for _ in range(repeat):
        began = clock()
        work()
        times.append(clock() - began)
    return times


def _peak(work: Callable[[], object]) -> float:
    tracemalloc.start()
    work()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak / _MIB
