"""Queues of a day, made from seeds: how scientific work comes."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

_HOUR, _DAY = 3600.0, 86400.0


@dataclass(slots=True)
class Job:
    """A job, and what becomes of it.

    Attributes:
        cores: What it asks for.
        seconds: How long it runs.
        arrives: When it may be submitted at the earliest.
        after: Jobs that must have ended before it is submitted.
        ready: When it was submitted.
        started: When it began; -1 as long as it has not.
    """

    cores: int
    seconds: float
    arrives: float
    after: list[Job] = field(default_factory=list)
    ready: float = -1.0
    started: float = -1.0


def bursty() -> list[Job]:
    """Twelve times a day somebody submits some hundred jobs at once."""
    chance = random.Random("bursty")
    times = sorted(chance.uniform(0, 22 * _HOUR) for _ in range(12))
    return [_job(chance, time) for time in times for _ in range(chance.randint(50, 400))]


def steady() -> list[Job]:
    """Jobs trickle in, evenly by chance; about 120 cores are busy."""
    chance = random.Random("steady")
    return list(_arrivals(chance, lambda time: 120.0))


def diurnal() -> list[Job]:
    """As people work: much in the afternoon, little at night."""
    chance = random.Random("diurnal")
    return list(_arrivals(chance, lambda time: 125 - 115 * math.cos(2 * math.pi * time / _DAY)))


def chains() -> list[Job]:
    """Workflows: forty times four rounds of fifty jobs, each round after the one before and a merging job."""
    chance = random.Random("chains")
    jobs: list[Job] = []
    for _ in range(40):
        arrives, after = chance.uniform(0, 8 * _HOUR), list[Job]()
        for _ in range(4):
            scattered = [_job(chance, arrives, after) for _ in range(50)]
            after = [Job(cores=1, seconds=60.0, arrives=arrives, after=scattered)]
            jobs += [*scattered, *after]
    return jobs


def once() -> list[Job]:
    """One workflow on an empty pool: two thousand jobs of a minute or two, and nothing afterwards."""
    chance = random.Random("once")
    return [Job(cores=1, seconds=chance.uniform(30, 180), arrives=0.0) for _ in range(2000)]


TRACES: Mapping[str, Callable[[], list[Job]]] = {
    "bursty": bursty,
    "steady": steady,
    "diurnal": diurnal,
    "chains": chains,
    "once": once,
}


def _job(chance: random.Random, arrives: float, after: list[Job] | None = None) -> Job:
    seconds = min(3 * _HOUR, max(10.0, chance.lognormvariate(math.log(600), 0.8)))
    cores = chance.choices([1, 2, 4], [60, 25, 15])[0]
    return Job(cores=cores, seconds=seconds, arrives=arrives, after=after or [])


def _arrivals(chance: random.Random, load: Callable[[float], float]) -> Iterator[Job]:
    """Yield a day's jobs such that ``load`` cores are busy at each time."""
    work = 1.7 * 600 * math.exp(0.8**2 / 2)  # core-seconds of a job, on average
    time = 0.0
    while True:
        time += chance.expovariate(load(time) / work)
        if time > _DAY:
            return
        yield _job(chance, time)
