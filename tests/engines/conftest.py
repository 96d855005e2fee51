"""A small root file system, and a bench that runs one command in it with a given engine."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from needs import need

from dodas.containers.launch import Launch, Outcome
from dodas.worker.choose import program_of, verdict
from dodas.worker.client import Ended, Worker

CONTAINERS = ("namespace", "fuse", "proot", "proot-noseccomp")


@pytest.fixture(scope="session")
def busybox_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root file system of busybox, with a few traps in it."""
    busybox = need("busybox")
    root = tmp_path_factory.mktemp("image") / "ROOT"
    for name in ("bin", "etc", "dev", "proc", "sys", "tmp", "usr/bin", "var/tmp", "root", "data"):
        (root / name).mkdir(parents=True)
    (root / "tmp").chmod(0o1777)
    shutil.copy(busybox, root / "bin/busybox")
    applets = subprocess.run([busybox, "--list"], check=True, capture_output=True, text=True).stdout.split()
    for applet in applets:
        if applet != "busybox":
            (root / "bin" / applet).symlink_to("busybox")
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    (root / "etc/group").write_text("root:x:0:\n")
    (root / "etc/motd").write_text("from the image\n")
    (root / "marker").write_text("image\n")
    (root / "bin/not-executable").write_text("#!/bin/sh\n")
    (root / "to-host").symlink_to("/")
    (root / "up").symlink_to("../../../../../../..")
    return root


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


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Worker]:
    """A fork server of the test's own."""
    with Worker(str(tmp_path)) as made:
        yield made


def _bench(engine: str, worker: Worker, busybox_root: Path, tmp_path: Path) -> Bench:
    if engine != "host":
        found = verdict(engine)
        if not found.works:
            if os.environ.get("DODAS_TEST_STRICT") == "1" and engine in ("namespace", "proot"):
                pytest.fail(found.problem)
            pytest.skip(f"{engine}: {found.problem}")
    folder = tmp_path / "bench"
    folder.mkdir()
    return Bench(engine=engine, root=busybox_root, folder=folder, worker=worker)


@pytest.fixture(params=(*CONTAINERS, "host"))
def bench(request: pytest.FixtureRequest, worker: Worker, busybox_root: Path, tmp_path: Path) -> Bench:
    """A bench for each engine, the host's included."""
    return _bench(request.param, worker, busybox_root, tmp_path)


@pytest.fixture(params=CONTAINERS)
def container(request: pytest.FixtureRequest, worker: Worker, busybox_root: Path, tmp_path: Path) -> Bench:
    """A bench for each engine that runs containers."""
    return _bench(request.param, worker, busybox_root, tmp_path)


def snapshot(root: Path) -> Sequence[tuple[object, ...]]:
    """Return what can be seen of a tree: names, modes, sizes, times."""
    found = []
    for folder, directories, files in os.walk(root):
        for name in (*directories, *files):
            status = os.lstat(os.path.join(folder, name))
            found.append((folder, name, status.st_mode, status.st_size, status.st_mtime_ns, status.st_uid))
    return sorted(found)
