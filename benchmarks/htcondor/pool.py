"""A pool to measure on, and what its processes have cost so far."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psutil

from benchmarks.local import measure

_KEPT = 120.0  # seconds within which every claim is given up
_DODAS = (sys.executable, "-m", "dodas", "pool")


@dataclass(frozen=True, kw_only=True)
class Pool:
    """A running pool.

    Attributes:
        name: As ``dodas pool`` knows it.
        keeper: Process id of what holds all its processes.
    """

    name: str
    keeper: int

    def cpu(self) -> float:
        """Return the CPU seconds of all its processes until now, the ended ones included."""
        total = 0.0
        for process in [keeper := psutil.Process(self.keeper), *keeper.children(recursive=True)]:
            try:
                total += sum(process.cpu_times()[:4])  # user, system, and those of children waited for
            except psutil.NoSuchProcess:
                continue
        return total

    def _settle(self) -> None:
        """Wait until no slot is kept for the jobs that were last there."""
        deadline = time.monotonic() + _KEPT
        while status(self.name)["cpus_used"] and time.monotonic() < deadline:
            time.sleep(1)

    def cost(self, work: Callable[[], object]) -> measure.Cost:
        """Measure ``work`` on an idle pool, the pool's share included, until its jobs are gone."""
        self._settle()
        before = self.cpu()
        cost = measure.call(work, 1)
        time.sleep(1)  # what has just ended is waited for
        return measure.Cost(wall_least=cost.wall_least, wall=cost.wall, cpu=cost.cpu + self.cpu() - before)


def up(name: str, *options: str) -> Pool:
    """Bring up a pool on this host and return it."""
    subprocess.run([*_DODAS, "up", "--local", "--name", name, *options], check=True, capture_output=True)
    return Pool(name=name, keeper=int(status(name)["keeper"]))


def down(name: str) -> None:
    """Take a pool away, its queue too."""
    subprocess.run([*_DODAS, "down", name, "--force"], check=False, capture_output=True)


def status(name: str) -> dict[str, Any]:
    """Return what ``dodas pool status --json`` says."""
    done = subprocess.run([*_DODAS, "status", name, "--json"], check=True, capture_output=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@contextmanager
def running(name: str, *options: str) -> Iterator[Pool]:
    """Hold a pool while the context lasts."""
    try:
        yield up(name, *options)
    finally:
        down(name)
