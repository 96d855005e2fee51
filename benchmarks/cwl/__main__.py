"""Measure and write the results beside this file."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

from benchmarks.cwl import scatter
from benchmarks.local.parts import measure

if __name__ == "__main__":
    measure(Path(__file__).parent, {"scatter": scatter.rows, "cache": scatter.rerun}, nullcontext)
