"""What is recorded of each step, and of each run of a workflow."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from dodas.step import Failure, Result
from dodas_cwl import translate


@dataclass(frozen=True, kw_only=True)
class Facts:
    """How a step ran.

    Attributes:
        started: Unix seconds of the node.
        ended: Unix seconds of the node.
        status: cwltool's word for its end.
        exit_code: Of its command; ``None`` if that never ended by itself.
        failure: Where it failed; empty for success.
        node: Host name; empty if it ran on none.
        image: Name of its image; empty without a container.
        digest: Digest of the image.
        cpu: Seconds of processor time.
        memory: Most bytes of memory.
        reused: Whether it is the result of an earlier run.
    """

    started: float
    ended: float
    status: str = translate.SUCCESS
    exit_code: int | None = None
    failure: str = ""
    node: str = ""
    image: str = ""
    digest: str = ""
    cpu: float = 0.0
    memory: int = 0
    reused: bool = False

    @property
    def problem(self) -> str:
        """One sentence about its failure, made of nothing that the step was given; empty for success."""
        if self.status == translate.SUCCESS:
            return ""
        where = f"failed: {self.failure}" if self.failure else "failed"
        return where if self.exit_code is None else f"{where}, exit status {self.exit_code}"

    def plain(self) -> dict[str, Any]:
        """Return it for JSON."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class Activity:
    """A step, or a run of a workflow, that is over.

    Attributes:
        id: Its name in the documents.
        parent: That of the run of a workflow that it is part of; empty for the first.
        step: Name of the step of that workflow.
        name: What people call it.
        inputs: Its input object.
        outputs: Its output object.
        facts: How it ran.
    """

    id: str
    parent: str = ""
    step: str = ""
    name: str = ""
    inputs: Any = field(default_factory=dict)
    outputs: Any = field(default_factory=dict)
    facts: Facts


class Shared:
    """Copies of input and output objects, in which the same list of files is one list: it may be long."""

    def __init__(self) -> None:
        self._lists: dict[Any, list[Any]] = {}

    def copy(self, value: Any) -> Any:
        """Return a copy, made of ``dict`` and ``list``."""
        if isinstance(value, Mapping):
            return {key: self.copy(item) for key, item in value.items()}
        if not isinstance(value, (list, tuple)):
            return value
        key = files_of(value)
        if key is None:
            return [self.copy(item) for item in value]
        if key not in self._lists:
            self._lists[key] = translate.plain(value)
        return self._lists[key]


def files_of(value: Any) -> Any:
    """Return what tells one list of files from others; ``None`` if it is no such list."""
    if not value or not all(isinstance(one, Mapping) and one.get("location") for one in value):
        return None
    return tuple(
        (one["location"], one.get("basename"), len(one.get("secondaryFiles") or ())) for one in value
    )


def of_result(result: Result, status: str, image: str | None) -> Facts:
    """Return what the result of a step says."""
    ended = result.ended or time.time()
    failure = "" if status == translate.SUCCESS else (result.failure or Failure.TOOL).value
    return Facts(
        started=ended - result.usage.wall,
        ended=ended,
        status=status,
        exit_code=result.exit_code,
        failure=failure,
        node=result.node,
        image=image or "",
        digest=result.image_digest or "",
        cpu=result.usage.cpu,
        memory=result.usage.peak_memory,
    )


def of_no_run(status: str = translate.SUCCESS, *, image: str = "", reused: bool = False) -> Facts:
    """Return what there is to say of a step that has ended, and did not run."""
    now = time.time()
    return Facts(started=now, ended=now, status=status, image=image, reused=reused)
