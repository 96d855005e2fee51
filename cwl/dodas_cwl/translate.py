"""From CWL's units and words to those of dodas, and back; functions of plain values."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import timedelta
from typing import Any

from dodas.step import MIB, Failure, Resources, Result

SUCCESS = "success"
TEMPORARY = "temporaryFail"
PERMANENT = "permanentFail"

_ODD = re.compile(r"[^A-Za-z0-9_.-]+")
_LONGEST_LABEL = 50


def step_id(mark: int | str, name: str) -> str:
    """Return an id that is unique in the run and fit for a file name.

    Args:
        mark: A number, by which ids sort by time, or the key of the work, by which they are the same whenever
            the work is.
        name: What people call the step.
    """
    label = _ODD.sub("_", name)[:_LONGEST_LABEL]
    return f"{label}-{mark}" if isinstance(mark, str) else f"{mark:05d}-{label}"


def resources(
    granted: Mapping[str, float], asked: Collection[str], *, seconds: int | None, limit_memory: bool
) -> Resources:
    """Return what a step may use.

    Args:
        granted: Result of cwltool's ``evalResources``; ``ram`` and sizes in MiB (CWL v1.2,
            ResourceRequirement).
        asked: Fields that the tool's ResourceRequirement sets.  The defaults of CWL (1 GiB of disk, 256 MiB
            of memory) are no wish of anybody and are left out.
        seconds: ToolTimeLimit; 0 and ``None`` are no limit.
        limit_memory: Whether more memory than ``ram`` ends the step.  CWL reserves it, it does not limit.
    """

    def size(name: str, field: str) -> int | None:
        wanted = any(field + end in asked for end in ("Min", "Max"))
        return max(1, math.ceil(granted[name] * MIB)) if wanted else None

    return Resources(
        cores=float(granted["cores"]),
        memory=math.ceil(granted["ram"] * MIB) if limit_memory else size("ram", "ram"),
        memory_is_limit=limit_memory,
        disk=size("outdirSize", "outdir"),
        scratch=size("tmpdirSize", "tmpdir"),
        gpus=math.ceil(granted.get("cudaDeviceCount", 0)),
        walltime=timedelta(seconds=seconds) if seconds else None,
    )


def status(code: int, success: Iterable[int], temporary: Iterable[int], permanent: Iterable[int]) -> str:
    """Return the process status for an exit code (CWL v1.2, CommandLineTool, ``successCodes`` and so on)."""
    for codes, verdict in ((success, SUCCESS), (temporary, TEMPORARY), (permanent, PERMANENT)):
        if code in codes:
            return verdict
    return PERMANENT if code else SUCCESS


def tool_code(result: Result) -> int | None:
    """Return the exit code that the tool itself decided on; ``None`` if something else ended the step."""
    return result.exit_code if result.failure in (None, Failure.TOOL) else None


def worth_a_look(result: Result) -> bool:
    """Return whether the command ran at all, and was not just in the way of something else's failure."""
    ran = result.exit_code is not None or result.stderr is not None
    return ran and result.failure is not Failure.CANCELLED


def files(value: Any) -> Iterator[dict[str, Any]]:
    """Yield the files and directories in an input or output object, each before those that belong to it."""
    if isinstance(value, list):
        for item in value:
            yield from files(item)
    elif isinstance(value, dict):
        if value.get("class") in ("File", "Directory"):
            yield value
        for item in value.values():
            yield from files(item)


def plain(value: Any) -> Any:
    """Return a copy made of ``dict`` and ``list``.

    ruamel's annotated sequences take quadratic time to copy, and cwltool copies the job order several times.
    """
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value
