"""A directory such as HTCondor gives to a job, and both sides of what crosses it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dodas.node import build, laying, packing, results
from dodas.node.order import INPUTS, NAME, OUTPUTS, Order, StepOrder
from dodas.node.results import Kind, Report, StepReport
from dodas.node.sources import ImageSource
from dodas.step import Result, Step

PROTECTED = ("PATH", "HOME", "LANG")


@dataclass
class Sandbox:
    """One job's directory on one node.

    ``submit`` plays the submit side, ``run`` the node, ``deliver`` the way back.

    Attributes:
        path: The sandbox.
        cache: What jobs of the node share.
        python: Which Python starts the worker; empty leaves it to the worker file.
        env: Further variables of the job.
    """

    path: Path
    cache: Path
    python: str = ""
    env: dict[str, str] = field(default_factory=dict)
    sent: dict[str, str] = field(default_factory=dict)

    def take(self, path: str) -> str:
        """Send a file along; the same file once."""
        return self.sent.setdefault(path, str(len(self.sent)))

    def submit(
        self, *steps: Step, images: Mapping[str, ImageSource | None] | None = None, **more: Any
    ) -> Order:
        """Put an order for steps, and what they need, into the sandbox."""
        (self.path / INPUTS).mkdir(parents=True, exist_ok=True)
        order = Order(
            run="run",
            job="1",
            steps=tuple(packing.pack(step, self.take) for step in steps),
            images=tuple((images or {}).items()),
            **more,
        )
        for source, name in self.sent.items():
            shutil.copy2(source, self.path / INPUTS / name)  # as file transfer does
        write_secret(self.path / NAME, order.to_json())
        return order

    def run(self, order: str = NAME) -> subprocess.CompletedProcess[str]:
        """Run the job to its end."""
        return subprocess.run(
            self.words(order),
            cwd=self.path,
            env=self.environment(),
            capture_output=True,
            text=True,
            check=False,
        )

    def start(self, order: str = NAME) -> subprocess.Popen[str]:
        """Start the job."""
        return subprocess.Popen(
            self.words(order), cwd=self.path, env=self.environment(), stderr=subprocess.PIPE, text=True
        )

    def words(self, order: str) -> list[str]:
        worker = build.worker_file()
        return [*([self.python, "-I", "-S"] if self.python else []), worker, "run", order]

    def environment(self) -> dict[str, str]:
        known = {name: os.environ[name] for name in PROTECTED if name in os.environ}
        return {
            **known,
            "_CONDOR_SCRATCH_DIR": str(self.path),
            "DODAS_NODE_CACHE": str(self.cache),
            **self.env,
        }

    def report(self) -> Report:
        """Return what the node reports."""
        return results.read(str(self.path / OUTPUTS / results.NAME))

    def deliver(self) -> dict[str, Result]:
        """Bring everything home, and return the results by step."""
        report = self.report()
        for one in report.steps:
            self.bring_home(one)
        return {one.result.step: one.result for one in report.steps}

    def bring_home(self, one: StepReport) -> None:
        for item in one.returned:
            if item.destination:
                blobs = str(self.path / OUTPUTS)
                exact = item.kind is Kind.MOUNT
                laying.lay_out(item.entries, blobs, item.destination, exact=exact, times=False)


def write_secret(path: Path, text: str) -> None:
    """Write a file that nobody else can read."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as file:
        file.write(text)


def shared_order(path: Path, *steps: Step, **more: Any) -> str:
    """Write an order for a disk that is shared, and return its path."""
    path.mkdir(parents=True, exist_ok=True)
    order = Order(
        run="run", job="1", shared=True, steps=tuple(StepOrder(step=step) for step in steps), **more
    )
    write_secret(path / NAME, order.to_json())
    return str(path / NAME)


def script(step_id: str, text: str, cwd: Path | str, **more: Any) -> Step:
    """Return a step on the host that runs a shell script."""
    path = os.environ["PATH"]
    return Step(
        id=step_id, name=step_id, argv=("/bin/sh", "-c", text), cwd=str(cwd), env=(("PATH", path),), **more
    )


def pythons(first: int = 9, last: int = 14) -> Sequence[str]:
    """Return one Python 3 of each minor version that is found: on PATH, below /opt, and in pyenv."""
    found: dict[str, str] = {}
    folders = [*os.environ["PATH"].split(os.pathsep)]
    folders += sorted(str(path) for path in Path("/opt").glob("py3*/bin"))
    folders += sorted(str(path) for path in Path("~/.pyenv/versions").expanduser().glob("3.*/bin"))
    for minor in range(first, last + 1):
        for folder in folders:
            path = os.path.join(folder, f"python3.{minor}")
            if is_program(path):
                found.setdefault(f"3.{minor}", path)
    if first <= sys.version_info[1] <= last:
        found.setdefault(f"3.{sys.version_info[1]}", os.path.realpath(sys.executable))
    return [found[version] for version in sorted(found, key=lambda version: int(version[2:]))]


def is_program(path: str) -> bool:
    """Return whether a file is a program itself, not one of the scripts that pyenv puts before it."""
    return os.access(path, os.X_OK) and Path(path).read_bytes()[:4] == b"\x7fELF"


def kill(process: subprocess.Popen[str]) -> None:
    """Kill a process that the test has started, at once."""
    process.send_signal(signal.SIGKILL)
    process.wait()
