"""HTCondor pools for tests: real ones, of this host, made by ``dodas pool``."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest

from debian_packages import with_packages
from dodas.containers.packages import build
from dodas.pool import image

SILENT = "the job queue (does not answer|refuses to talk)"  # what dodas says then, whoever prints it
KINDS = {"shared": "--shared-disk", "far": "--no-shared-disk"}


@dataclass(kw_only=True)
class Pools:
    """Pools that have their state in one directory, and the command that makes them."""

    state: Path
    environ: dict[str, str] = field(default_factory=dict)

    def __call__(self, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run ``dodas pool``."""
        return subprocess.run(
            [sys.executable, "-m", "dodas", "pool", *words],
            env=self.environment(**environ),
            text=True,
            capture_output=True,
            check=False,
            timeout=200,
        )

    def environment(self, **environ: str) -> dict[str, str]:
        """Return the environment of the command."""
        return {**os.environ, "DODAS_STATE": str(self.state), **self.environ, **environ}

    def up(self, name: str, *options: str, **environ: str) -> str:
        """Bring a pool up, and return what was printed."""
        done = self("up", "--local", "--name", name, "--cpus", "2", "--memory", "2GiB", *options, **environ)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def status(self, name: str) -> dict[str, Any]:
        """Return what ``dodas pool status --json`` says."""
        done = self("status", name, "--json")
        assert done.returncode == 0, done.stderr
        status: dict[str, Any] = json.loads(done.stdout)
        return status

    def daemon(self, name: str, part: str, daemon: str) -> int:
        """Return the process id of a daemon."""
        parts = {part["name"]: part["daemons"] for part in self.status(name)["parts"]}
        return int(parts[part][daemon])

    def processes(self, name: str) -> list[psutil.Process]:
        """Return all processes of a living pool."""
        keeper = psutil.Process(self.status(name)["keeper"])
        return [keeper, *keeper.children(recursive=True)]

    def python(self, name: str, code: str, **environ: str) -> str:
        """Run Python code with ``schedd``, and ``htcondor2``, of a pool; return what it printed."""
        begin = (
            f"from dodas.pool.access import configure\naccess = configure({name!r})\n"
            "import htcondor2\nschedd = htcondor2.Schedd()\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", begin + code],
            env=self.environment(**environ),
            text=True,
            capture_output=True,
            check=False,
            timeout=100,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


def kill(pid: int) -> None:
    """Kill a process and wait for its end."""
    process = psutil.Process(pid)
    os.kill(pid, signal.SIGKILL)
    process.wait(30)


def until(done: Callable[[], bool], *, seconds: float = 60) -> None:
    """Wait for what nothing tells of."""
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@contextmanager
def session_pools(folder: Path) -> Iterator[Callable[[str], tuple[Pools, str]]]:
    """Have pools of both kinds, each made when it is first asked for; yield what returns one by its kind."""
    pytest.importorskip("htcondor2", reason="the extra dodas[htcondor] is not installed")
    with_image()
    pools, names = Pools(state=folder), set[str]()
    _LIVING.append((pools, names))

    def of(kind: str) -> tuple[Pools, str]:
        name = f"test-{kind}"
        if name not in names:
            pools.up(name, KINDS[kind], "--cpus", "4")
            names.add(name)
        return pools, name

    try:
        yield of
    finally:
        _LIVING.remove((pools, names))
        for name in names:
            pools("down", name, "--force")


_LIVING: list[tuple[Pools, set[str]]] = []


def give_up() -> str:
    """Take down the session's pools, so that the next test has new ones; return what they were at."""
    found = []
    for pools, names in _LIVING:
        for name in sorted(names):
            logs = pools.state / "pools" / name / "head" / "log"
            found += [f"{name}: {_line(process)}" for process in pools.processes(name)]
            for log in ("MasterLog", "SchedLog"):
                found += (logs / log).read_text(errors="replace").splitlines()[-60:]
            pools("down", name, "--force")
        names.clear()
    return "\n".join(found)


def _line(process: psutil.Process) -> str:
    with process.oneshot():
        times = process.cpu_times()[:2]
        return f"{process.pid} of {process.ppid()} {process.status()} {times} {process.name()}"


def with_image() -> None:
    """Put the image with HTCondor into the session's store; skip, or fail, where it cannot be had.

    The archive that it is loaded from is in the user's cache, under a key of all that went into it.
    """
    with_packages(lambda: build.load(image.RECIPE))
