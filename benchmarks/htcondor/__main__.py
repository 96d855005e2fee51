"""Measure on a pool of this host and write the results beside this file."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from benchmarks.htcondor import first_step, pool, queue, rate, snakemake_jobs
from benchmarks.htcondor.pool import Pool
from benchmarks.local.bench import Bench
from benchmarks.local.parts import measure
from benchmarks.local.table import Row

_Part = Callable[[Bench, Pool], list[Row]]
_PARTS: dict[str, _Part] = {
    "first": first_step.rows,
    "rate": rate.rows,
    "snakemake": snakemake_jobs.rows,
    "queue": queue.rows,
}


@contextmanager
def _opened(home: Path) -> Iterator[tuple[Bench, Pool]]:
    os.environ["DODAS_STATE"] = f"{home}/state"
    bench = Bench(home=home)
    bench.condor_image()
    with pool.running("bench") as one:
        yield bench, one


def _of(part: _Part, there: tuple[Bench, Pool]) -> list[Row]:
    return part(*there)


if __name__ == "__main__":
    measure(Path(__file__).parent, {name: partial(_of, part) for name, part in _PARTS.items()}, _opened)
