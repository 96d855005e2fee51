"""What the daemons of a pool say when they are asked.

Asking needs HTCondor's Python bindings; without them, and when nobody answers, the answer is ``None``.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

from dodas.errors import DodasError
from dodas.pool.access import Access, bindings, queue, reach
from dodas.pool.definition import Definition
from dodas.pool.layout import Layout

T = TypeVar("T")


def used_cores(layout: Layout) -> int | None:
    """Return how many processors of the pool's own workers jobs have now."""

    def ask(htcondor: Any, access: Access) -> int:
        slots = htcondor.Collector(access.collector).query(
            htcondor.AdType.Startd,
            constraint=" && ".join(filter(None, ("PartitionableSlot", access.machines))),
            projection=["TotalSlotCpus", "Cpus"],
        )
        return sum(int(slot["TotalSlotCpus"]) - int(slot["Cpus"]) for slot in slots)

    return _asked(layout, ask)


def job_statuses(layout: Layout) -> list[int] | None:
    """Return the JobStatus of every job in the queue that is the pool's."""

    def ask(htcondor: Any, access: Access) -> list[int]:
        found = queue(access).query(access.jobs or "true", projection=["JobStatus"])
        return [int(job["JobStatus"]) for job in found]

    return _asked(layout, ask)


def _asked(layout: Layout, ask: Callable[[Any, Access], T]) -> T | None:
    with suppress(DodasError):
        access, htcondor = reach(layout, Definition.of(layout)), bindings()
        with suppress(htcondor.HTCondorException):
            return ask(htcondor, access)
    return None
