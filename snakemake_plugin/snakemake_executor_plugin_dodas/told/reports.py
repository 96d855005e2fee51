"""What people read: what a job took, what the run took."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from dodas.step import Failure, Result, Usage

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


def write_benchmark(job: Any, usages: Sequence[Usage], *, extended: bool) -> None:
    """Write the file of ``benchmark:`` as Snakemake does; ``-`` is what was over before it was seen."""
    records = [_record(job, usage) for usage in usages]
    import_module("snakemake.benchmark").write_benchmark_records(records, str(job.benchmark), extended)


def _record(job: Any, usage: Usage) -> Any:
    record = import_module("snakemake.benchmark").BenchmarkRecord(
        running_time=usage.wall,
        max_rss=usage.peak_memory / MIB,
        max_vms=usage.virtual / MIB or None,
        max_uss=usage.unique / MIB or None,
        max_pss=usage.proportional / MIB or None,
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
