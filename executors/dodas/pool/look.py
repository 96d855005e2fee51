"""How a pool is, as its directory and its processes say."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from dodas.pool import queue_file
from dodas.pool.definition import Definition
from dodas.pool.layout import Layout
from dodas.worker import strays

STATES = {1: "idle", 2: "running", 3: "removed", 4: "completed", 5: "held", 6: "running", 7: "suspended"}
"""What HTCondor's JobStatus means; 6 is a running job that brings its output back."""

_OVER = ("removed", "completed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One container of a pool.

    Attributes:
        name: ``head`` or ``node``.
        pid: Process that holds it; 0 when it does not run.
        ended: How it ended; empty while it runs.
        daemons: HTCondor's processes in it, with their process ids on the host.
    """

    name: str
    pid: int
    ended: str
    daemons: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """How a pool is.

    Attributes:
        name: The pool.
        definition: What it is meant to be.
        state: ``up``, ``damaged`` when a node is gone, ``dead``.
        keeper: Process id of the keeper; 0 when it is dead, or has none.
        parts: The containers.
        jobs: Number of the pool's jobs in the queue, by state; ``None`` if that cannot be said.
        root: Directory of the pool.
        condor_config: CONDOR_CONFIG for the user's own commands.
    """

    name: str
    definition: Definition
    state: str
    keeper: int
    parts: tuple[Part, ...]
    jobs: Mapping[str, int] | None
    root: str
    condor_config: str


def report(layout: Layout, definition: Definition) -> Report:
    """Return how a pool is."""
    return Report(
        name=layout.name,
        definition=definition,
        state=state(layout),
        keeper=int(read_keeper(layout).get("pid", 0)) if layout.alive else 0,
        parts=tuple(_parts(layout)),
        jobs=jobs(layout),
        root=layout.root,
        condor_config=layout.client_config,
    )


def state(layout: Layout) -> str:
    """Return ``up``, ``damaged`` when a part has ended, or ``dead``."""
    if not layout.alive:
        return "dead"
    if not layout.has_keeper:
        return "up"
    parts = read_keeper(layout).get("parts", {})
    return "up" if parts and all(part["pid"] for part in parts.values()) else "damaged"


def jobs(layout: Layout) -> dict[str, int] | None:
    """Return the number of jobs by state; nothing if a queue that is not dodas' does not answer.

    The file of the queue, which a dead pool has too, is some seconds behind while the pool lives.
    """
    statuses = _asked_statuses(layout) if layout.alive or not layout.has_keeper else None
    if statuses is None and not layout.has_keeper:
        return None
    if statuses is None:
        statuses = [job.status for job in queue_file.jobs(layout.queue).values()]
    counts = Counter(STATES.get(status, "unknown") for status in statuses)
    return {state: count for state, count in sorted(counts.items()) if state not in _OVER}


def read_keeper(layout: Layout) -> dict[str, Any]:
    """Return what the keeper wrote down; empty when it did not come to that."""
    try:
        with open(layout.at("keeper.json"), encoding="utf-8") as file:
            kept: dict[str, Any] = json.load(file)
            return kept
    except (FileNotFoundError, ValueError):
        return {}


def tail(path: str, lines: int) -> list[str]:
    """Return the last lines of a file; none if there is no file."""
    if lines <= 0:
        return []
    try:
        with open(path, "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - 400 * lines))
            return file.read().decode(errors="replace").splitlines()[-lines:]
    except OSError:
        return []


def _asked_statuses(layout: Layout) -> list[int] | None:
    from dodas.pool.daemons import job_statuses  # noqa: PLC0415 - it needs this package whole

    return job_statuses(layout)


def _parts(layout: Layout) -> Iterator[Part]:
    alive = layout.alive
    for name, kept in read_keeper(layout).get("parts", {}).items():
        pid = int(kept["pid"]) if alive else 0
        ended = "" if pid else kept.get("ended") or "its keeper was killed"
        yield Part(name=name, pid=max(pid, 0), ended=ended, daemons=tuple(_daemons(pid)))


def _daemons(pid: int) -> Iterator[tuple[str, int]]:
    for process in sorted(strays.descendants(pid)) if pid > 0 else ():
        with suppress(OSError), open(f"/proc/{process}/cmdline", "rb") as file:
            name = os.path.basename(os.fsdecode(file.read().split(b"\0")[0]))
            if name.startswith("condor_"):
                yield name, process
