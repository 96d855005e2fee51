"""From an empty pool to the first running job: how long a user waits whose job has the pool get a worker."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.pools import cluster
from benchmarks.pools.report import Cell, Section

_ROUNDS = 3
_INTERVALS = (1, 10)  # seconds; the latter is what a pool has that says nothing
_LONGEST = 120.0
_DODAS = (sys.executable, "-m", "dodas", "pool")
_POOL = """\
dodas: 1
name: first
providers:
  outer: {{kind: htcondor, pool: outer}}
  cluster: {{kind: slurm, partition: main, directory: shared}}
flavours:
  small:
    {{provider: {provider}, cores: 1, memory: 512MiB, minimum: {minimum}, maximum: 1, lifetime: 10m, idle: 5s,
      shared_disk: {shared}}}
elasticity: {{interval: {interval}s, young: 1s}}
"""
_SUBMIT = """
import sys
from dodas.pool.access import configure
configure(sys.argv[1])
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

Waits = dict[str, list[float]]


def measure() -> list[Section]:
    """Measure with the providers that any host has or can be given."""
    before = os.environ.get("DODAS_STATE")
    try:
        with tempfile.TemporaryDirectory(prefix="dodas-bench-") as home:
            os.environ["DODAS_STATE"] = str(Path(home) / "state")
            waits = _waits(Path(home))
    finally:
        os.environ.pop("DODAS_STATE", None)
        if before is not None:
            os.environ["DODAS_STATE"] = before
    rows: list[dict[str, Cell]] = [
        {
            "the job goes to": name,
            "least s": round(min(each), 2),
            "median s": round(statistics.median(each), 2),
        }
        for name, each in waits.items()
    ]
    text = (
        f"Seconds from when a user's program starts to submit a job until the job runs, of {_ROUNDS} times;"
        " the image of workers is there. Empty: the pool has no worker, and gets one for the job from what is"
        " named; a worker begins with an HTCondor of its own, in a container. For comparison the same job"
        " given to a pool with an idle worker, to the other HTCondor itself, and to Slurm itself with"
        " sbatch: what no pool can be below. All on one host."
    )
    return [Section(title="The first job", text=text, rows=rows)]


def _waits(home: Path) -> Waits:
    """Return what each way took."""
    found: Waits = {}
    for interval in _INTERVALS:
        found |= _empty(home, "local", interval, "workers on this host")
    with _described(home, "local", _INTERVALS[-1], minimum=1):
        _until(lambda: any(one["phase"] == "idle" for one in _workers()), "the worker did not join")
        found["a pool with an idle worker"] = [_wait(home, "first") for _ in range(_ROUNDS)]
    with _pool("--local", "--name", "outer", "--cpus", "2", "--no-shared-disk"):
        for interval in _INTERVALS:
            found |= _empty(home, "outer", interval, "workers from another HTCondor")
        found["the other HTCondor itself"] = [_wait(home, "outer") for _ in range(_ROUNDS)]
    with cluster.slurm() as slurm:
        if slurm is not None:
            for interval in _INTERVALS:
                found |= _empty(home, "cluster", interval, "workers from Slurm")
            found["Slurm itself"] = [cluster.start(slurm, home) for _ in range(_ROUNDS)]
    return found


def _empty(home: Path, provider: str, interval: int, name: str) -> Waits:
    """Return what a job takes in a pool that has no worker yet."""
    waits = []
    with _described(home, provider, interval):
        for number in range(_ROUNDS):
            _until(lambda: all(one["phase"] == "over" for one in _workers()), "a worker did not leave")
            # A worker is seen to be over right after a look; jobs come at any time between two.
            time.sleep(interval * (number + 0.5) / _ROUNDS)
            waits.append(_wait(home, "first"))
    return {f"an empty pool, {name}, looks every {interval} s": waits}


def _until(true: Callable[[], bool], otherwise: str) -> None:
    began = time.monotonic()
    while not true():
        if time.monotonic() - began > _LONGEST:
            raise TimeoutError(otherwise)
        time.sleep(0.5)


def _wait(home: Path, pool: str) -> float:
    (home / "first.log").unlink(missing_ok=True)
    began = time.monotonic()
    subprocess.run([sys.executable, "-c", _SUBMIT, pool], cwd=home, check=True)
    return time.monotonic() - began


def _workers() -> list[dict[str, str]]:
    done = subprocess.run([*_DODAS, "status", "first", "--json"], check=True, capture_output=True)
    workers: list[dict[str, str]] = json.loads(done.stdout)["workers"]
    return workers


@contextmanager
def _described(home: Path, provider: str, interval: int, minimum: int = 0) -> Iterator[None]:
    """Have a pool with workers from one provider."""
    file = home / "pool.yaml"
    shared = "true" if provider == "cluster" else "false"
    file.write_text(_POOL.format(provider=provider, interval=interval, minimum=minimum, shared=shared))
    with _pool(str(file)):
        yield


@contextmanager
def _pool(*words: str) -> Iterator[None]:
    done = subprocess.run([*_DODAS, "up", "--json", "--quiet", *words], capture_output=True, check=False)
    if done.returncode:
        raise RuntimeError(f"dodas pool up {' '.join(words)}: {done.stderr.decode()}")
    try:
        yield
    finally:
        name = json.loads(done.stdout)["name"]
        subprocess.run([*_DODAS, "down", name, "--force"], check=False, capture_output=True)
