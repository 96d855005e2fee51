"""Measure and write the results beside this file."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

from benchmarks.local.bench import Bench
from benchmarks.local.parts import measure
from benchmarks.snakemake import contained, trivial

if __name__ == "__main__":
    measure(
        Path(__file__).parent,
        {"trivial": trivial.rows, "containers": contained.rows},
        lambda home: nullcontext(Bench(home=home)),
    )
