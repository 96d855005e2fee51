"""Queues that were recorded where people work: of a cluster, and of workflows.

Nothing of them is kept here, for who may pass them on is not said clearly enough.  That of a cluster comes
with a Python package, which is downloaded; workflows are read from a directory, if one is named.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import cache
from pathlib import Path
from typing import Any

from benchmarks.pools.nodes import CORES
from benchmarks.pools.traces import Job

_PACKAGE = "evalys==4.0.7 --hash=sha256:3f1343e40276ca68db58cf5984017a15f2f56758dca180fe0f78aff200be8518\n"
_INSIDE = "evalys-4.0.7/examples/UniLu-Gaia-2014-2.swf"
_WEEK = 7 * 86400.0
_LONGEST = 12 * 3600.0
_SUBMIT, _RUN, _CORES = 1, 3, 4  # columns of the Standard Workload Format, from 0
_INSTANCES = {
    "1000genome": "pegasus/1000genome/1000genome-chameleon-22ch-250k-001.json",
    "epigenomics": "pegasus/epigenomics/epigenomics-chameleon-ilmn-6seq-50k-001.json",
    "montage": "pegasus/montage/montage-chameleon-2mass-05d-001.json",
}


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """A queue that was recorded.

    Attributes:
        name: Of the queue.
        source: Where it is from, a sentence.
        jobs: Makes the jobs anew.
    """

    name: str
    source: str
    jobs: Callable[[], list[Job]]


def clusters() -> list[Recorded]:
    """Return two weeks of a university's cluster; none, and a word to people, if they cannot be had."""
    try:
        log = _gaia()
    except (OSError, subprocess.SubprocessError, KeyError) as error:
        print(f"going without the queue of a cluster: {error}", file=sys.stderr)
        return []
    weeks = {"a busy week": (2014, 7, 28), "a quiet week": (2014, 7, 7)}
    return [_of_week(log, name, datetime(*day, tzinfo=timezone.utc)) for name, day in weeks.items()]


def workflows(folder: Path) -> list[Recorded]:
    """Return runs of workflows from a checkout of WfInstances of WfCommons."""
    return [_run(name, folder / path) for name, path in _INSTANCES.items() if (folder / path).exists()]


@cache
def _gaia() -> tuple[str, ...]:
    """Return the log of the cluster, line by line."""
    with tempfile.TemporaryDirectory(prefix="dodas-bench-") as name:
        wanted = Path(name) / "wanted.txt"
        wanted.write_text(_PACKAGE)
        words = ("--no-deps", "--no-binary", ":all:", "--require-hashes", "--dest", name, "-r", str(wanted))
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", *words]
        done = subprocess.run(pip, check=False, capture_output=True, text=True, timeout=600)
        if done.returncode:
            raise OSError(done.stderr.strip().rpartition("\n")[2])
        (package,) = Path(name).glob("*.tar.gz")
        with tarfile.open(package) as archive:
            file = archive.extractfile(_INSIDE)
            if file is None:
                raise KeyError(_INSIDE)
            return tuple(file.read().decode().splitlines())


def _of_week(log: tuple[str, ...], name: str, monday: datetime) -> Recorded:
    (start,) = (line for line in log if line.startswith("; UnixStartTime:"))
    first = monday.timestamp() - float(start.partition(":")[2])

    def jobs() -> list[Job]:
        return [
            Job(cores=cores, seconds=seconds, arrives=submitted - first)
            for submitted, seconds, cores in _lines(log)
            if first <= submitted < first + _WEEK and cores <= CORES and 0 < seconds <= _LONGEST
        ]

    source = (
        f"The jobs of up to {CORES} cores and {_LONGEST / 3600:g} hours that the cluster Gaia of the"
        f" University of Luxembourg got in the week from {monday:%Y-%m-%d} (log of the Parallel Workloads"
        " Archive, by Joseph Emeras)."
    )
    return Recorded(name=f"cluster, {name}", source=source, jobs=jobs)


def _lines(log: tuple[str, ...]) -> Iterator[tuple[float, float, int]]:
    """Yield when jobs were submitted, how long they ran, and their cores."""
    for line in log:
        fields = line.split()
        if fields and not line.startswith(";"):
            yield float(fields[_SUBMIT]), float(fields[_RUN]), int(fields[_CORES])


def _run(name: str, file: Path) -> Recorded:
    content = json.loads(file.read_text())
    day = datetime.strptime(content["workflow"]["execution"]["executedAt"], "%Y%m%dT%H%M%S%z")
    source = (
        f"A run of the workflow {name} by Pegasus on HTCondor, of {day:%Y-%m-%d} ({file.name} of WfInstances,"
        " WfCommons): a job is submitted when those that it depends on have ended."
    )
    return Recorded(name=f"workflow {name}", source=source, jobs=lambda: _tasks(content["workflow"]))


def _tasks(workflow: Mapping[str, Any]) -> list[Job]:
    ran = {task["id"]: task for task in workflow["execution"]["tasks"]}
    jobs = {
        name: Job(
            cores=max(1, min(CORES, int(task.get("coreCount", 1)))),
            seconds=float(task["runtimeInSeconds"]),
            arrives=0.0,
        )
        for name, task in ran.items()
    }
    for task in workflow["specification"]["tasks"]:
        if task["id"] in jobs:
            jobs[task["id"]].after = [jobs[parent] for parent in task["parents"] if parent in jobs]
    return list(jobs.values())
