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
    return in_turn([work], repeat)[0]


def in_turn(works: Sequence[Callable[[], object]], repeat: int) -> list[Cost]:
    """Measure each of ``works`` as :func:`call` does, one after the other, again and again.

    What is to be compared must be measured together: a machine that is shared is not as fast now as it was.
    """
    walls: list[list[float]] = [[] for _ in works]
    cpus: list[list[float]] = [[] for _ in works]
    for _ in range(repeat):
        for number, work in enumerate(works):
            own, children, began = time.process_time(), children_cpu(), time.perf_counter()
            work()
            walls[number].append(time.perf_counter() - began)
            cpus[number].append(time.process_time() - own + children_cpu() - children)
    return [
        Cost(wall_least=min(wall), wall=statistics.median(wall), cpu=statistics.median(cpu))
        for wall, cpu in zip(walls, cpus, strict=True)
    ]


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
