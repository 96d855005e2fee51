"""Runs the real ``snakemake`` in a directory of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path

RELEASE = tuple(map(int, metadata.version("snakemake").split(".")[:2]))
ROOTS = [str(Path(__file__).parents[1] / root) for root in ("executors", "snakemake_plugin")]


def imported_with(package: str, *before: str) -> list[str]:
    """Return the modules that a package brings beside those that are imported before it."""
    first = "\n".join(f"import {module}" for module in before)
    program = f"import sys\n{first}\nthere = set(sys.modules)\nimport {package}\n"
    done = subprocess.run(
        [sys.executable, "-c", program + "print(*sorted(set(sys.modules) - there))"],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([*ROOTS, os.environ.get("PYTHONPATH", "")])},
    )
    return done.stdout.split()


@dataclass(frozen=True)
class Done:
    """A run of Snakemake that is over."""

    code: int
    said: str


@dataclass(frozen=True)
class Workflow:
    """A directory with a workflow in it."""

    path: Path
    env: dict[str, str]
    options: tuple[str, ...] = ()

    def with_options(self, *options: str) -> Workflow:
        """Return the same, always run with these options of the executor."""
        return replace(self, options=(*self.options, *options))

    def write(self, name: str, text: str) -> Path:
        target = self.path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        return target

    def read(self, name: str) -> str:
        return (self.path / name).read_text()

    def command(self, *arguments: str, executor: str = "dodas") -> list[str]:
        where = ["--executor", executor, "--jobs", "50", *self.options]
        where = ["--cores", "2"] if executor == "local" else where
        return [sys.executable, "-m", "snakemake", *where, "--nocolor", *arguments]

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(*arguments),
            cwd=self.path,
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments: str, executor: str = "dodas") -> Done:
        return self.call(self.command(*arguments, executor=executor))

    def call(self, command: Sequence[str]) -> Done:
        """Run any command in its directory and environment."""
        done = subprocess.run(
            command,
            cwd=self.path,
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return Done(done.returncode, done.stdout)

    def files(self) -> dict[str, bytes]:
        """Return what is there besides Snakemake's own records."""
        return {
            str(path.relative_to(self.path)): path.read_bytes()
            for path in self.path.rglob("*")
            if path.is_file()
            and path.relative_to(self.path).parts[0] != ".snakemake"
            and path.parent.name != "__pycache__"  # made or not as the environment has it
        }

    def logs(self) -> list[Path]:
        return sorted(path for path in (self.path / ".snakemake/dodas").glob("2*/*") if path.is_file())


def make_workflow(path: Path) -> Workflow:
    path.mkdir()
    bin_directory = os.path.dirname(sys.executable)
    env = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(ROOTS),
        "PATH": bin_directory + os.pathsep + os.environ["PATH"],
        "XDG_CACHE_HOME": str(path.parent / "cache"),
    }
    return Workflow(path, env)
