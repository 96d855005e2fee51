"""A pool that workflows bring up, and workflows that do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from condor_pool import Pools, until, with_image
from dodas.containers import locks

NAME = "visited"
POOL = """\
dodas: 1
name: visited
flavours:
  small:
    {{provider: local, cores: 1, memory: 512MiB, minimum: {minimum}, maximum: 2,
     lifetime: 10m, idle: 2s, shared_disk: true}}
elasticity: {{interval: 1s, boot: 60s, young: 1s, idle_pool: {idle}s}}
"""
TOOL = """\
cwlVersion: v1.2
class: CommandLineTool
baseCommand: [sh, -c, "echo made on a worker"]
inputs: []
outputs: {said: stdout}
stdout: said.txt
"""


def run_tool(pools: Pools, folder: Path, *, seconds: float) -> str:
    """Run ``tool.cwl`` on the pool of ``pool.yaml``, both of a directory; return what the tool said."""
    done = subprocess.run(
        [sys.executable, "-m", "dodas", "cwl", "--pool", "pool.yaml", "tool.cwl"],
        cwd=folder,
        env=pools.environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=seconds,
    )
    assert done.returncode == 0, done.stderr
    return Path(json.loads(done.stdout)["said"]["path"]).read_text()


@dataclass(frozen=True)
class Visited:
    """The pool's file, the state of pools, and what can be seen of the pool."""

    folder: Path
    pools: Pools

    def describe(self, *, minimum: int = 0, idle: float = 1) -> None:
        """Write the file."""
        (self.folder / "pool.yaml").write_text(POOL.format(minimum=minimum, idle=idle))

    def start(self, name: str) -> subprocess.Popen[str]:
        """Start a workflow of CWL that brings the pool up; its results go to a directory of that name."""
        (self.folder / "tool.cwl").write_text(TOOL)
        words = ["cwl", "--outdir", name, "--pool", "pool.yaml", "tool.cwl"]
        return subprocess.Popen(
            [sys.executable, "-m", "dodas", *words],
            cwd=self.folder,
            env=self.pools.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def went_well(self, run: subprocess.Popen[str], name: str) -> None:
        """Wait for a workflow, which must come to its result."""
        out, said = run.communicate(timeout=150)
        assert run.returncode == 0, said
        path = Path(json.loads(out)["said"]["path"])
        assert path == self.folder / name / "said.txt"
        assert path.read_text() == "made on a worker\n"

    def run(self, name: str) -> None:
        """Run a workflow that brings the pool up."""
        self.went_well(self.start(name), name)

    @property
    def keeper(self) -> int:
        """The process that is the pool, and a new one whenever it is brought up."""
        return int(self.pools.status(NAME)["keeper"])

    @property
    def workers(self) -> list[str]:
        """The names of its workers."""
        return [one["name"] for one in self.pools.status(NAME)["workers"] if one["phase"] != "over"]

    @property
    def lock(self) -> Path:
        """What is held by who brings the pool up, or takes it down."""
        return self.pools.state / "pools" / f".{NAME}.lock"

    @property
    def is_gone(self) -> bool:
        """Whether there is no pool, nor anything that it leaves."""
        return not (self.pools.state / "pools").exists()

    def is_being_changed(self) -> bool:
        """Whether somebody brings it up, or takes it down."""
        return locks.is_held(str(self.lock))

    def said(self, text: str) -> int:
        """Return how often its agent said that."""
        log = self.pools.state / "pools" / NAME / "agent.log"
        return log.read_text().count(text) if log.exists() else 0

    def goes(self) -> None:
        """Wait until it has gone, which nobody told it to."""
        until(lambda: self.is_gone)

    def stays(self, seconds: float) -> None:
        """See that it is the same pool for so long."""
        keeper, end = self.keeper, time.monotonic() + seconds
        until(lambda: self.keeper != keeper or time.monotonic() >= end)
        assert self.keeper == keeper

    def runs(self) -> set[str]:
        """Return the runs that had jobs here since it was brought up."""
        code = "import json; print(json.dumps([ad.get('DodasRun') for ad in schedd.history('true')]))"
        return set(json.loads(self.pools.python(NAME, code)))


@contextmanager
def visited(folder: Path) -> Iterator[Visited]:
    """Have a file of a pool, which is not up before, and not after."""
    pytest.importorskip("htcondor2", reason="the extra dodas[htcondor] is not installed")
    with_image()
    os.makedirs(folder, exist_ok=True)
    made = Visited(folder, Pools(state=folder / "state"))
    made.describe()
    try:
        yield made
    finally:
        if not made.is_gone:
            made.pools("down", NAME, "--force")
    assert made.is_gone
