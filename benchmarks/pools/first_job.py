"""From an empty pool to the first running job: how long a user waits whose job has the pool get a worker."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.pools.report import Cell, Section

_NAMES = {"local": "this host", "outer": "another HTCondor"}
_DODAS = (sys.executable, "-m", "dodas", "pool")
_POOL = """\
dodas: 1
name: first
providers: {{outer: {{kind: htcondor, pool: outer}}}}
flavours:
  small: {{provider: {provider}, cores: 1, memory: 512MiB, maximum: 1, lifetime: 10m, idle: 5s}}
elasticity: {{interval: {interval}, young: 1s}}
"""
_SUBMIT = """
from dodas.pool.access import configure
configure("first")
import htcondor2
submit = htcondor2.Submit({
    "executable": "/bin/true", "transfer_executable": "false", "should_transfer_files": "YES",
    "when_to_transfer_output": "ON_EXIT", "request_memory": "100", "request_disk": "1MB", "log": "first.log",
})
htcondor2.Schedd().submit(submit)
for event in htcondor2.JobEventLog("first.log").events(stop_after=120):
    if event.type == htcondor2.JobEventType.EXECUTE:
        break
else:
    raise SystemExit("the job did not start")
"""


def measure() -> list[Section]:
    """Measure with the providers that any host has."""
    with tempfile.TemporaryDirectory(prefix="dodas-bench-") as home:
        waits = _waits(Path(home))
    rows: list[dict[str, Cell]] = [
        {"workers from": name, "least s": min(each), "median s": statistics.median(each)}
        for name, each in waits.items()
    ]
    text = "Seconds from the submission of a job to an empty pool until the job runs, image present."
    return [Section(title="The first job", text=text, rows=rows)]


def _waits(home: Path, rounds: int = 3) -> dict[str, list[float]]:
    os.environ["DODAS_STATE"] = str(home / "state")
    found: dict[str, list[float]] = {}
    with _pool("--local", "--name", "outer", "--cpus", "2", "--no-shared-disk"):
        for provider in ("local", "outer"):
            for interval in ("1s", "10s"):
                file = home / "pool.yaml"
                file.write_text(_POOL.format(provider=provider, interval=interval))
                with _pool(str(file)):
                    found[f"{_NAMES[provider]}, looks every {interval}"] = [
                        _wait(home) for _ in range(rounds)
                    ]
    return found


def _wait(home: Path) -> float:
    while any(one["phase"] != "over" for one in _workers()):
        time.sleep(0.5)
    (home / "first.log").unlink(missing_ok=True)
    began = time.monotonic()
    subprocess.run([sys.executable, "-c", _SUBMIT], cwd=home, check=True)
    return time.monotonic() - began


def _workers() -> list[dict[str, str]]:
    done = subprocess.run([*_DODAS, "status", "first", "--json"], check=True, capture_output=True)
    workers: list[dict[str, str]] = json.loads(done.stdout)["workers"]
    return workers


@contextmanager
def _pool(*words: str) -> Iterator[None]:
    done = subprocess.run([*_DODAS, "up", "--json", "--quiet", *words], check=True, capture_output=True)
    try:
        yield
    finally:
        name = json.loads(done.stdout)["name"]
        subprocess.run([*_DODAS, "down", name, "--force"], check=False, capture_output=True)
