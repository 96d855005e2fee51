"""Measure and write the results beside this file."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

from benchmarks.local import cwl_scatter, preparing, snakemake_jobs, start, startup
from benchmarks.local.bench import Bench
from benchmarks.local.parts import measure

_PARTS = {
    "start": start.rows,
    "prepare": preparing.rows,
    "snakemake": snakemake_jobs.rows,
    "cwl": cwl_scatter.rows,
    "startup": startup.rows,
}

if __name__ == "__main__":
    measure(Path(__file__).parent, _PARTS, lambda home: nullcontext(Bench(home=home)))
