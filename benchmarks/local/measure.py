"""Seconds of wall and of processors for commands and calls, whatever they start included."""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What something took, in seconds: the least and the median wall time, and the median CPU time."""

    wall_least: float
    wall: float
    cpu: float

    def per(self, units: int) -> Cost:
        """Return the cost of one of ``units``."""
        return Cost(wall_least=self.wall_least / units, wall=self.wall / units, cpu=self.cpu / units)


def children_cpu() -> float:
    """Return the CPU seconds of all processes that this one started and collected."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def call(work: Callable[[], object], repeat: int) -> Cost:
    """Measure ``work``, which must leave no process behind; its own thread counts too."""
    walls, cpus = [], []
    for _ in range(repeat):
        own, children, began = time.process_time(), children_cpu(), time.perf_counter()
        work()
        walls.append(time.perf_counter() - began)
        cpus.append(time.process_time() - own + children_cpu() - children)
    return Cost(wall_least=min(walls), wall=statistics.median(walls), cpu=statistics.median(cpus))


def command(
    words: Sequence[str], *, repeat: int = 1, cwd: str | None = None, env: Mapping[str, str] | None = None
) -> Cost:
    """Measure a command, which must succeed.

    Raises:
        SystemExit: It did not; what it wrote is shown.
    """

    def run() -> None:
        done = subprocess.run(
            words, cwd=cwd, env={**os.environ, **(env or {})}, capture_output=True, check=False, text=True
        )
        if done.returncode:
            sys.exit(
                f"{' '.join(words)}: status {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
            )

    return call(run, repeat)
