"""What is known of a run beyond the life of dodas: an append-only file of JSON lines.

A job is written down before it is submitted, and carries its number in its ad and in the event log; so
whatever moment dodas is killed at, the next one finds out what became of it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from dodas.backends.htcondor.jobs import JobId, Label, Tries

Record = dict[str, Any]


@dataclass(slots=True, kw_only=True)
class Past:
    """A job of an earlier life.

    Attributes:
        number: Ours.
        steps: Its steps.
        tries: What was tried before it.
        id: HTCondor's, if the answer to the submission arrived.
        gone: Positions of steps that are nobody's business any more.
    """

    number: int
    steps: tuple[Label, ...]
    tries: Tries
    id: JobId | None = None
    gone: set[int] = field(default_factory=set)


class Journal:
    """The file at ``path``; made when it is not there."""

    def __init__(self, path: str) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def past(self) -> dict[int, Past]:
        """Return the jobs that were written down.  A last line that was cut short is as if not written."""
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        with os.fdopen(os.dup(self._descriptor), "rb") as file:
            data = file.read()
        whole = data[: data.rfind(b"\n") + 1]
        if len(whole) < len(data):
            os.ftruncate(self._descriptor, len(whole))
        return fold(json.loads(line) for line in whole.splitlines())

    def write(self, records: Iterable[Record]) -> None:
        """Add records; they are on the disk when this returns.

        Raises:
            OSError: The disk does not take them.
        """
        text = "".join(json.dumps(record, separators=(",", ":")) + "\n" for record in records).encode()
        while text:
            text = text[os.write(self._descriptor, text) :]
        os.fdatasync(self._descriptor)

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)


def planned(
    number: int, steps: tuple[Label, ...], tries: Tries, instead: Iterable[tuple[int, int]] = ()
) -> Record:
    """Return the record of a job about to be submitted, ``instead`` of steps of others: job, position."""
    labels = [[label.id, label.identity, label.name] for label in steps]
    return {
        "job": number,
        "steps": labels,
        "tries": [tries.lost, tries.grown, list(tries.avoid)],
        "instead": [list(pair) for pair in instead],
    }


def sent(ids: Iterable[tuple[int, JobId]]) -> Record:
    """Return the record of jobs that HTCondor has."""
    return {"sent": [[number, *job_id] for number, job_id in ids]}


def gone(number: int, positions: Iterable[int]) -> Record:
    """Return the record of steps that are nobody's business any more."""
    return {"gone": [number, *positions]}


def fold(records: Iterable[Record]) -> dict[int, Past]:
    """Return what the records say, all together."""
    jobs: dict[int, Past] = {}
    for record in records:
        if "job" in record:
            jobs[record["job"]] = _planned(record)
            for number, position in record["instead"]:
                jobs[number].gone.add(position)
        for number, *job_id in record.get("sent", ()):
            jobs[number].id = (job_id[0], job_id[1])
        if "gone" in record:
            number, *positions = record["gone"]
            jobs[number].gone.update(positions)
    return jobs


def _planned(record: Record) -> Past:
    lost, grown, avoid = record["tries"]
    return Past(
        number=record["job"],
        steps=tuple(Label(id=id_, identity=identity, name=name) for id_, identity, name in record["steps"]),
        tries=Tries(lost=lost, grown=grown, avoid=tuple(avoid)),
    )
