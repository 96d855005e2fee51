"""A Slurm cluster of this host, the one of the tests."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_PROJECT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(_PROJECT / "tests"), str(_PROJECT / "tools")]

from servers.slurm import Slurm  # noqa: E402 - found where the line above says


@contextmanager
def slurm() -> Iterator[Slurm | None]:
    """Yield a cluster whose commands are found; nothing, and a word to people, where none can be had."""
    folder = Path(tempfile.mkdtemp(prefix="dodas-slurm-", dir="/tmp"))  # short, for sockets
    path = os.environ["PATH"]
    try:
        cluster = Slurm(folder / "c")
    except pytest.skip.Exception as reason:
        print(f"going without Slurm: {reason}", file=sys.stderr)
        shutil.rmtree(folder, ignore_errors=True)
        yield None
        return
    try:
        cluster.start()
        os.environ["PATH"] = f"{cluster.bin}:{path}"
        yield cluster
    finally:
        os.environ["PATH"] = path
        cluster.stop()
        shutil.rmtree(folder, ignore_errors=True)


def start(cluster: Slurm, home: Path) -> float:
    """Return after how many seconds a job that is given to Slurm itself runs."""
    mark = home / "started"
    mark.unlink(missing_ok=True)
    began = time.monotonic()
    cluster("sbatch", "--output=/dev/null", "--mem=100M", f"--wrap=touch '{mark}'")
    while not mark.exists():
        if time.monotonic() - began > 120:
            raise TimeoutError("the job of Slurm did not start")
        time.sleep(0.02)
    return time.monotonic() - began
