"""What is known of the steps of a run, read from its directory while others may work on it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from dodas.backends.htcondor.jobs import Label
from dodas.backends.htcondor.journal import Past, fold
from dodas.errors import DodasError
from dodas.node import results
from dodas.step import Result


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRecord:
    """A step of a run.

    Attributes:
        label: Which.
        job: Number of the last job that it was in.
        condor_id: That job's id for HTCondor; empty if it has none.
        result: How it ended; ``None`` if that is not known.
        worker: The worker's own standard error, empty if it wrote none.
    """

    label: Label
    job: int
    condor_id: str = ""
    result: Result | None = None
    worker: str = ""

    @property
    def state(self) -> str:
        """How it is, in a word."""
        if self.result is None:
            return "unfinished" if self.condor_id else "waiting"
        return "done" if self.result.ok else "failed"


def records(path: str) -> list[StepRecord]:
    """Return the steps of the run in a directory, each as its last job had it."""
    last: dict[str, StepRecord] = {}
    for past in _past(path).values():
        for record in _steps(path, past):
            last[record.label.id] = record
    return list(last.values())


def _past(path: str) -> dict[int, Past]:
    try:
        with open(os.path.join(path, "journal"), "rb") as file:
            data = file.read()
    except OSError:
        return {}
    return fold(json.loads(line) for line in data[: data.rfind(b"\n") + 1].splitlines())


def _steps(path: str, past: Past) -> Iterator[StepRecord]:
    folder = os.path.join(path, "jobs", str(past.number))
    worker = os.path.join(folder, "worker.err")
    with suppress(OSError):
        worker = worker if os.path.getsize(worker) else ""
    for position, label in enumerate(past.steps):
        result = None
        with suppress(DodasError):
            result = results.read(os.path.join(folder, f"done.{position}.json")).steps[0].result
        if result is None and position in past.gone and not os.path.exists(folder):
            continue  # it is done with, and nothing is left of it
        yield StepRecord(
            label=label,
            job=past.number,
            condor_id="" if past.id is None else f"{past.id[0]}.{past.id[1]}",
            result=result,
            worker=worker if os.path.exists(worker) else "",
        )
