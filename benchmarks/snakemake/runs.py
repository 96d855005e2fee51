"""Whole runs of Snakemake, in turn, round after round: what the main process and all under it took."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.local.measure import Cost, children_cpu
from benchmarks.staging.rounds import memory_until_the_end
from dodas.containers.engines import syscalls

# Snakemake starts at most 100 jobs a second, which no workflow of 3,000 short jobs is to wait for, and ends a
# second after the last start.  For all alike there is no such limit.
SPAN = ("--max-jobs-per-timespan", "10000/0s")
_ALL_ALIKE = (*SPAN, "--nolock", "--quiet", "all")
_PATIENCE = 600.0  # seconds; a run that takes longer hangs


@dataclass(frozen=True, kw_only=True)
class Runner:
    """A way to run a workflow.

    Attributes:
        how: What the table calls it.
        options: Of Snakemake.
        environment: Variables that it has besides this process's own.
    """

    how: str
    options: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Taken:
    """What the runs of one runner took.

    Attributes:
        cost: Of all processes.
        memory: Bytes that the main process had at most.
    """

    cost: Cost
    memory: int

    @property
    def memory_noted(self) -> str:
        """The memory for a table."""
        return f"main process {self.memory >> 20} MiB"


def measure(
    home: Path, snakefile: str, jobs: int, runners: Sequence[Runner], *, rounds: int = 1
) -> list[Taken]:
    """Run a workflow that makes ``out/0`` to ``out/<jobs - 1>`` with each of ``runners``, so many times.

    Raises:
        SystemExit: One of them did not make all, or not in time.
    """
    # Processes that lose their parent come to this one, and count.
    syscalls.prctl(syscalls.PR_SET_CHILD_SUBREAPER, 1)
    found: list[list[tuple[float, float, int]]] = [[] for _ in runners]
    for _ in range(rounds):
        for runner, taken in zip(runners, found, strict=True):
            folder = home / "workflow"
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            (folder / "Snakefile").write_text(snakefile)
            taken.append(_run(runner, folder, jobs))
            wall, cpu, _ = taken[-1]
            print(f"  {jobs} jobs, {runner.how}: {wall:.2f} s, CPU {cpu:.2f} s", file=sys.stderr)
    return [_summary(taken) for taken in found]


def _summary(taken: Sequence[tuple[float, float, int]]) -> Taken:
    walls, cpus, memories = zip(*taken, strict=True)
    cost = Cost(wall_least=min(walls), wall=statistics.median(walls), cpu=statistics.median(cpus))
    return Taken(cost=cost, memory=max(memories))


def _run(runner: Runner, folder: Path, jobs: int) -> tuple[float, float, int]:
    words = [sys.executable, "-m", "snakemake", *runner.options, *_ALL_ALIKE, "--config", f"jobs={jobs}"]
    said = folder / "said"
    environment = {**os.environ, **runner.environment}
    cpu, began = children_cpu(), time.perf_counter()
    with said.open("wb") as file:
        process = subprocess.Popen(words, cwd=folder, env=environment, stdout=file, stderr=file)
    memory = memory_until_the_end(process.pid)
    process.wait()
    wall = time.perf_counter() - began
    _collect()
    made = len(list((folder / "out").glob("*")))
    if process.returncode or made != jobs:
        sys.exit(
            f"{runner.how}: status {process.returncode}, {made} of {jobs} files\n{said.read_text()[-4000:]}"
        )
    return wall, children_cpu() - cpu, memory << 10


def _collect() -> None:
    """Await all processes that the run has left, so that they count and disturb nobody."""
    deadline = time.monotonic() + _PATIENCE
    with suppress(ChildProcessError):
        while time.monotonic() < deadline:
            if not os.waitpid(-1, os.WNOHANG)[0]:
                time.sleep(0.02)
