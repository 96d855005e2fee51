"""What a node tells the submit side, as JSON: how each step ended, and what came of it."""

from __future__ import annotations

import json
from dataclasses import fields
from enum import Enum
from typing import Any

from dodas import whole
from dodas.errors import TransferError
from dodas.node.tree import Entry
from dodas.step import Failure, OutputFile, Result, Usage
from dodas.values import dataclass

FORMAT = 1
NAME = "results.json"
_LONGEST_REASON = 4000


class Kind(str, Enum):
    """What something that comes back is."""

    MOUNT = "mount"  # all of a writable mount: what is not in it was removed
    OUTPUT = "output"
    STDOUT = "stdout"
    STDERR = "stderr"


@dataclass(frozen=True, slots=True, kw_only=True)
class Returned:
    """A file or directory that comes back.

    Attributes:
        kind: What it is.
        destination: Its path on the submit side; empty for standard streams that the step does not redirect.
        entries: What it is made of; blobs are files beside the results.
    """

    kind: Kind
    destination: str
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StepReport:
    """How one step ended, and what comes back of it; nothing does on a shared disk."""

    result: Result
    returned: tuple[Returned, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """How a job ended.

    Attributes:
        run: As in the order.
        job: As in the order.
        steps: The steps that ended, in the order of their ends; others belong to be run elsewhere.
        problem: Why the node could not do its part, a sentence; empty if it could.
        node: Its name.
        left: Positions of steps that it gave back, not begun.
        failure: What kind of failure its problem is, if no other node can do better.
    """

    run: str
    job: str
    steps: tuple[StepReport, ...]
    problem: str = ""
    node: str = ""
    left: tuple[int, ...] = ()
    failure: Failure = Failure.CONTAINER

    def to_json(self) -> str:
        """Return the report as one line of JSON."""
        plain = {name: getattr(self, name) for name in (*_TEXTS, "left", "failure")}
        return json.dumps({**plain, "format": FORMAT, "steps": [_plain(one) for one in self.steps]})

    @classmethod
    def from_json(cls, text: str) -> Report:
        """Return the report that :meth:`to_json` wrote.

        Raises:
            TransferError: The text is no report.
        """
        try:
            plain = json.loads(text)
            if plain["format"] != FORMAT:
                raise TransferError(f"a report of a node has the unknown format {plain['format']}")
            steps = tuple(map(_step_report, plain["steps"]))
            left = tuple(map(int, plain["left"]))
            texts = {name: plain[name] for name in _TEXTS}
            return cls(**texts, steps=steps, left=left, failure=Failure(plain["failure"]))
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            raise TransferError(f"this is no report of a node: {error}") from error


_TEXTS = ("run", "job", "problem", "node")


def write(path: str, report: Report) -> None:
    """Write a report so that it is never seen in part, and only by its owner.

    Raises:
        OSError: The disk does not take it.
    """
    whole.write(path, report.to_json())


def read(path: str) -> Report:
    """Return the report that :func:`write` wrote.

    Raises:
        TransferError: It is not there, or not whole.
    """
    try:
        with open(path, encoding="ascii") as file:
            return Report.from_json(file.read())
    except (OSError, UnicodeDecodeError) as error:
        raise TransferError(f"cannot read the report {path} of a node: {error}") from error


def _plain(one: StepReport) -> dict[str, Any]:
    returned = [
        [item.kind.value, item.destination, [entry.plain() for entry in item.entries]]
        for item in one.returned
    ]
    return {"result": _values(one.result), "returned": returned}


def _values(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, tuple):
        return [_values(item) for item in value]
    if hasattr(value, "__dataclass_fields__"):
        return {field.name: _values(getattr(value, field.name)) for field in fields(value)}
    return value


def _step_report(plain: dict[str, Any]) -> StepReport:
    returned = tuple(
        Returned(kind=Kind(kind), destination=destination, entries=tuple(map(Entry.from_plain, entries)))
        for kind, destination, entries in plain["returned"]
    )
    return StepReport(result=_result(dict(plain["result"])), returned=returned)


def _result(plain: dict[str, Any]) -> Result:
    failure = plain.pop("failure")
    return Result(
        failure=None if failure is None else Failure(failure),
        reason=plain.pop("reason")[:_LONGEST_REASON],
        usage=Usage(**plain.pop("usage")),
        outputs=tuple(OutputFile(**item) for item in plain.pop("outputs")),
        **plain,
    )
