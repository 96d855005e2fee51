"""What people read: why a step failed, what a job took, what the run took."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from dodas.errors import DodasError
from dodas.step import Failure, Result, Usage

_TAIL_LINES = 12
_TAIL_BYTES = 16384
_WIDTH = 500
MIB = 1 << 20


@dataclass(slots=True)
class Totals:
    """Sums over the steps of a run."""

    steps: int = 0
    failed: int = 0
    cpu: float = 0.0
    peak_memory: int = 0

    def add(self, result: Result) -> None:
        """Count one more step."""
        self.steps += 1
        self.failed += not result.ok and result.failure is not Failure.CANCELLED
        self.cpu += result.usage.cpu
        self.peak_memory = max(self.peak_memory, result.usage.peak_memory)

    def line(self, wall: float) -> str:
        """Return the summary of a run that took ``wall`` seconds."""
        return (
            f"dodas: {self.steps} step{'s' * (self.steps != 1)}, {self.failed} failed; {wall:.1f} s wall, "
            f"{self.cpu:.1f} s CPU, largest step {self.peak_memory / MIB:.0f} MiB"
        )


def failure(result: Result, *, here: bool = True) -> str:
    """Return why a step failed, with the last lines that it printed.

    Args:
        result: Of the step.
        here: Whether it ran on this machine, which goes without saying.
    """
    reason = result.reason or f"exit status {result.exit_code}"
    if not here and result.node and result.node not in reason:
        reason = f"{reason}, on {result.node}"
    for what, path in (("standard error", result.stderr), ("standard output", result.stdout)):
        lines = tail(path)
        if lines:
            return f"{reason}\nLast lines of {what}:\n    " + "\n    ".join(lines)
    return reason


def explain(error: DodasError) -> str:
    """Return an error and what to do about it."""
    return f"{error}\nhint: {error.hint}" if error.hint else str(error)


def printed(result: Result) -> list[str]:
    """Return the logs of a step that hold something."""
    return [path for path in (result.stderr, result.stdout) if path and _length(path)]


def drop_empty_logs(result: Result) -> None:
    """Remove the logs of a step that printed nothing."""
    for path in (result.stderr, result.stdout):
        if path and _length(path) == 0:
            os.remove(path)


def tail(path: str | None) -> list[str]:
    """Return the last lines of a log; none if it is empty or absent."""
    try:
        with open(path or "", "rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - _TAIL_BYTES))
            text = file.read().decode(errors="replace")
    except OSError:
        return []
    return [_shortened(line) for line in text.rstrip().splitlines()[-_TAIL_LINES:]]


def write_benchmark(job: Any, usages: Sequence[Usage], *, extended: bool) -> None:
    """Write the file of ``benchmark:`` as Snakemake does; what is not measured stays ``-``."""
    records = [_record(job, usage) for usage in usages]
    import_module("snakemake.benchmark").write_benchmark_records(records, str(job.benchmark), extended)


def _record(job: Any, usage: Usage) -> Any:
    record = import_module("snakemake.benchmark").BenchmarkRecord(
        running_time=usage.wall,
        max_rss=usage.peak_memory / MIB,
        io_in=usage.read / MIB,
        io_out=usage.written / MIB,
        cpu_usage=100 * usage.cpu,  # per cent times seconds: divided by the time it is the mean load
        cpu_time=usage.cpu,
    )
    record.data_collected = True
    record.jobid, record.rule_name, record.threads = job.jobid, job.rule.name, job.threads
    record.wildcards, record.params, record.resources = job.wildcards, job.params, job.resources
    record.input = job.input._plainstrings()
    return record


def _shortened(line: str) -> str:
    return line if len(line) <= _WIDTH else line[:_WIDTH] + "…"


def _length(path: str) -> int | None:
    try:
        return os.path.getsize(path)
    except OSError:
        return None
