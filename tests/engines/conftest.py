"""A small root file system, and a bench that runs one command in it with a given engine."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from dodas.worker.choose import verdict
from dodas.worker.client import Worker
from engine_bench import Bench
from needs import need

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


@pytest.fixture(params=(*CONTAINERS, "host", "host, no init"))
def bench(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, busybox_root: Path, tmp_path: Path
) -> Bench:
    """A bench for each engine, the host's included, with the init that was built for it and without."""
    name, _, lacking = request.param.partition(", ")
    if lacking:
        monkeypatch.setenv("DODAS_PROOT", "/nonexistent")
    return _bench(name, request.getfixturevalue("worker"), busybox_root, tmp_path)


@pytest.fixture(params=CONTAINERS)
def container(request: pytest.FixtureRequest, worker: Worker, busybox_root: Path, tmp_path: Path) -> Bench:
    """A bench for each engine that runs containers."""
    return _bench(request.param, worker, busybox_root, tmp_path)
