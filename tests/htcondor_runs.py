"""Backends on pools, and ways to do harm to the daemons of those."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import psutil

from dodas.backends.htcondor import HtcondorBackend
from dodas.backends.htcondor.scheduler import Scheduler

_PATIENCE = 60.0

T = TypeVar("T")


@dataclass
class Place:
    """A pool, and a directory for a run on it."""

    pool: str
    shared: bool
    base: Path
    made: list[HtcondorBackend] = field(default_factory=list)

    @property
    def run(self) -> Path:
        """The directory of the run."""
        return self.base / "run"

    def backend(self, **options: Any) -> HtcondorBackend:
        """Make a backend."""
        values: dict[str, Any] = {"pool": self.pool, "bundle": None, "run": str(self.run), **options}
        self.made.append(HtcondorBackend(logs=str(self.base / "logs"), **values))
        return self.made[-1]

    def daemon(self, program: str) -> psutil.Process:
        """Return a daemon of the pool."""
        return daemon(self.pool, program)


def daemon(pool_name: str, program: str) -> psutil.Process:
    """Return a daemon of a pool, waiting for it."""
    return wait_for(lambda: next(iter(_daemons(pool_name, program)), None), program)


def _daemons(pool_name: str, program: str) -> Iterator[psutil.Process]:
    keeper = Path(os.environ["DODAS_STATE"]) / "pools" / pool_name / "keeper.json"
    with suppress(psutil.Error, OSError, ValueError):
        for process in psutil.Process(json.loads(keeper.read_text())["pid"]).children(recursive=True):
            if process.name() == program:
                yield process


def worker_of(process: psutil.Process) -> psutil.Process:
    """Return the worker that runs a step, from a process of the step."""
    chain = [process, *process.parents()]
    starter = next(index for index, one in enumerate(chain) if one.name() == "condor_starter")
    return chain[starter - 1]


def held(scheduler: Scheduler, constraint: str) -> bool:
    """Return whether a job that meets a condition is held."""
    return any(one.held for one in scheduler.find(constraint))


def wait_for(found: Callable[[], T | None], what: str) -> T:
    """Wait for something that tells nobody when it is there."""
    end = time.monotonic() + _PATIENCE
    while not (value := found()):
        assert time.monotonic() < end, what
        time.sleep(0.05)
    return value
