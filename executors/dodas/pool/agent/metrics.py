"""Demand and supply as Prometheus text, for those who watch many pools, or scale by a metric.

https://prometheus.io/docs/instrumenting/exposition_formats/ (text format 0.0.4)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from dodas.pool.agent.decide import preferred
from dodas.pool.agent.demand import Act, Observation, Phase
from dodas.pool.description.model import PoolDescription

_PREFIX = "dodas_pool_"
_NO_FLAVOUR = ""  # of jobs that no flavour can take

Sample = tuple[Mapping[str, str], float]


def render(
    pool: PoolDescription, seen: Observation, counts: Mapping[str, int], cycle_age: float | None
) -> str:
    """Return the state of a pool as Prometheus text.

    Args:
        pool: The description.
        seen: The pool as it is.
        counts: How many decisions of each kind were ever taken.
        cycle_age: How long ago the agent last looked, seconds; ``None``: it never did.
    """
    label = {"pool": pool.name}
    families: tuple[tuple[str, str, str, Iterator[Sample]], ...] = (
        ("jobs_idle", "gauge", "Jobs that wait, by the flavour that fits best.", _jobs(pool, seen)),
        ("demand_cores", "gauge", "Cores that waiting jobs ask for, by flavour.", _cores(pool, seen)),
        ("demand_gpus", "gauge", "GPUs that waiting jobs ask for, by flavour.", _gpus(pool, seen)),
        ("oldest_wait_seconds", "gauge", "How long the oldest job waits.", _oldest(seen)),
        ("workers", "gauge", "Workers by flavour and phase.", _workers(pool, seen)),
        ("workers_maximum", "gauge", "Workers that a flavour may have.", _maxima(pool)),
        ("free_cores", "gauge", "Cores without jobs in the pool, by flavour.", _free(pool, seen)),
        ("provider_trouble", "gauge", "Failures in a row of a provider.", _troubles(pool, seen)),
        ("worker_hours_total", "counter", "Hours spent by workers.", iter([({}, seen.worker_hours)])),
        ("core_hours_total", "counter", "Hours spent by cores.", iter([({}, seen.core_hours)])),
        ("decisions_total", "counter", "Decisions, by what was decided.", _decisions(counts)),
        ("cycle_age_seconds", "gauge", "How long ago the agent last looked.", _age(cycle_age)),
    )
    return "".join(_family(name, kind, text, label, samples) for name, kind, text, samples in families)


def _family(name: str, kind: str, text: str, label: Mapping[str, str], samples: Iterator[Sample]) -> str:
    lines = [f"# HELP {_PREFIX}{name} {text}", f"# TYPE {_PREFIX}{name} {kind}"]
    for labels, value in samples:
        pairs = ",".join(f'{key}="{_escaped(text)}"' for key, text in {**label, **labels}.items())
        lines.append(f"{_PREFIX}{name}{{{pairs}}} {value:.12g}")
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _demand(pool: PoolDescription, seen: Observation, each: Mapping[str, int]) -> Iterator[Sample]:
    """Yield an amount for each flavour, and for jobs that none can take if there are such."""
    for flavour in pool.flavours:
        yield {"flavour": flavour.name}, each.get(flavour.name, 0)
    if any(not preferred(pool, bucket) for bucket in seen.buckets):
        yield {"flavour": _NO_FLAVOUR}, each.get(_NO_FLAVOUR, 0)


def _sums(pool: PoolDescription, seen: Observation, what: str) -> Mapping[str, int]:
    sums: Counter[str] = Counter()
    for bucket in seen.buckets:
        best = next((flavour.name for flavour in preferred(pool, bucket)), _NO_FLAVOUR)
        sums[best] += bucket.count * {"jobs": 1, "cores": bucket.cores, "gpus": bucket.gpus}[what]
    return sums


def _jobs(pool: PoolDescription, seen: Observation) -> Iterator[Sample]:
    return _demand(pool, seen, _sums(pool, seen, "jobs"))


def _cores(pool: PoolDescription, seen: Observation) -> Iterator[Sample]:
    return _demand(pool, seen, _sums(pool, seen, "cores"))


def _gpus(pool: PoolDescription, seen: Observation) -> Iterator[Sample]:
    return _demand(pool, seen, _sums(pool, seen, "gpus"))


def _oldest(seen: Observation) -> Iterator[Sample]:
    yield {}, max((bucket.waiting for bucket in seen.buckets), default=0.0)


def _workers(pool: PoolDescription, seen: Observation) -> Iterator[Sample]:
    counts = Counter((one.flavour, one.state) for one in seen.workers)
    names = dict.fromkeys([flavour.name for flavour in pool.flavours])
    names |= dict.fromkeys(sorted({one.flavour for one in seen.workers}))
    for name in names:
        for phase in Phase:
            if phase is not Phase.OVER:
                yield {"flavour": name, "phase": phase.value}, counts[name, phase]


def _maxima(pool: PoolDescription) -> Iterator[Sample]:
    for flavour in pool.flavours:
        yield {"flavour": flavour.name}, flavour.maximum


def _free(pool: PoolDescription, seen: Observation) -> Iterator[Sample]:
    free: Counter[str] = Counter()
    for one in seen.workers:
        if one.state in {Phase.IDLE, Phase.BUSY}:
            free[one.flavour] += one.free_cores
    for flavour in pool.flavours:
        yield {"flavour": flavour.name}, free[flavour.name]


def _troubles(pool: PoolDescription, seen: Observation) -> Iterator[Sample]:
    failures = {one.provider: one.failures for one in seen.troubles}
    for name in dict.fromkeys(flavour.provider for flavour in pool.flavours):
        yield {"provider": name}, failures.get(name, 0)


def _decisions(counts: Mapping[str, int]) -> Iterator[Sample]:
    for act in Act:
        yield {"act": act.value}, counts.get(act.value, 0)


def _age(cycle_age: float | None) -> Iterator[Sample]:
    if cycle_age is not None:
        yield {}, cycle_age
