"""Runs one command in a small root with a given engine, and says how it ended."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dodas.containers.launch import Launch, Outcome
from dodas.worker.choose import program_of
from dodas.worker.client import Ended, Worker

HOSTILE = (
    "two words",
    "new\nline",
    "tab\t'single' \"double\" `tick` $HOME \\ back",
    "colon:comma,semi;",
    "-leading",
    "sn\N{SNOWMAN}w \N{GRINNING FACE}",
    "\udcff\udcfe",
    "x" * 200,
)


@dataclass
class Bench:
    """Runs commands in the small root and says how they ended."""

    engine: str
    root: Path
    folder: Path
    worker: Worker
    running: set[str] = field(default_factory=set)
    count: int = 0

    @property
    def stdout(self) -> Path:
        """Where the last command's standard output went."""
        return self.folder / f"stdout-{self.count}"

    @property
    def stderr(self) -> Path:
        """Where the last command's standard error went."""
        return self.folder / f"stderr-{self.count}"

    def start(self, *argv: str, **options: object) -> str:
        """Start a command and return its key."""
        self.count += 1
        key = f"{self.engine}-{self.count}"
        values: dict[str, object] = {
            "engine": self.engine,
            "program": program_of(self.engine),
            "root": None if self.engine == "host" else str(self.root),
            "scratch": "",
            "argv": argv,
            "env": (("PATH", "/bin" if self.engine != "host" else os.environ["PATH"]),),
            "stdout": str(self.stdout),
            "stderr": str(self.stderr),
            "grace": 1.0,
            **options,
        }
        self.worker.start(key, Launch(**values))  # type: ignore[arg-type]
        return key

    def end(self, key: str) -> Outcome:
        """Wait for the end of ``key``."""
        while True:
            for news in self.worker.told(None):
                if isinstance(news, Ended) and news.key == key:
                    return news.outcome

    def run(self, *argv: str, **options: object) -> Outcome:
        """Run a command to its end."""
        return self.end(self.start(*argv, **options))

    def sh(self, script: str, **options: object) -> str:
        """Run a shell script that must succeed and return its output."""
        outcome = self.run("sh", "-c", script, **options)
        assert (outcome.exit_code, outcome.fault) == (0, ""), self.stderr.read_text()
        return self.stdout.read_text()


def snapshot(root: Path) -> Sequence[tuple[object, ...]]:
    """Return what can be seen of a tree: names, modes, sizes, times."""
    found = []
    for folder, directories, files in os.walk(root):
        for name in (*directories, *files):
            status = os.lstat(os.path.join(folder, name))
            found.append((folder, name, status.st_mode, status.st_size, status.st_mtime_ns, status.st_uid))
    return sorted(found)
