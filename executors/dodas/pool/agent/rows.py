"""Lines of the agent's database, and what they are in the program."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dodas.pool.agent.demand import Act, Decision, Known, Phase
from dodas.pool.agent.supply import Row

COLUMNS = "name, flavour, provider, phase, asked, since, handle, node, reason, heard, worked, ended, fault"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """A decision that was taken, perhaps again and again; Unix times."""

    decision: Decision
    first: float
    last: float
    times: int = 1


def facts(one: Known, now: float) -> dict[str, object]:
    """Return what a look tells of a worker, by the names of what is written."""
    return {
        "name": one.worker,
        "phase": one.state.value,
        "now": now,
        "heard": None if one.heard is None else now - one.heard,
        "worked": one.jobs > 0,
        "reason": one.reason,
    }


def row_of(row: Sequence[Any]) -> Row:
    """Return a worker from its line in the database."""
    values = dict(zip(COLUMNS.split(", "), row, strict=True))
    flags = {name: bool(values[name]) for name in ("worked", "fault")}
    return Row(**{**values, **flags, "phase": Phase(values["phase"])})


def recorded(row: Sequence[Any]) -> Recorded:
    """Return a decision from its line in the database."""
    act, flavour, worker, count, reason, jobs, first, last, times = row
    decision = Decision(
        kind=Act(act),
        flavour=flavour,
        worker=worker,
        count=count,
        reason=reason,
        jobs=tuple(json.loads(jobs)),
    )
    return Recorded(decision=decision, first=first, last=last, times=times)
