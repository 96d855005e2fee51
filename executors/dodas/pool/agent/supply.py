"""Which workers there are, put together from the registry, the providers and the pool itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dodas.pool.agent.demand import Known, Phase
from dodas.pool.agent.healing import SILENT
from dodas.pool.description.model import Flavour, PoolDescription
from dodas.pool.providers.base import Seen, State, prefix

if TYPE_CHECKING:
    from dodas.pool.agent.observe import Machine

_FINAL = {Phase.DRAINING, Phase.LOST}
_JOINED = {Phase.IDLE, Phase.BUSY, Phase.DRAINING}
_DIGITS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What the registry remembers of a worker; times are Unix times.

    Attributes:
        name: Its name.
        flavour: What it is.
        provider: Where it comes from.
        phase: How it was when it was last looked at.
        asked: When it was asked for, or first seen.
        since: Since when it is in its phase.
        handle: What the provider calls it.
        node: Where it runs.
        reason: Why it is as it is.
        heard: When the pool last heard of it; ``None``: never.
        worked: Whether it was seen with jobs.
        ended: When it was over; ``None`` if it is not.
        fault: Whether it came to nothing.
    """

    name: str
    flavour: str
    provider: str
    phase: Phase
    asked: float
    since: float
    handle: str = ""
    node: str = ""
    reason: str = ""
    heard: float | None = None
    worked: bool = False
    ended: float | None = None
    fault: bool = False


def known(
    pool: PoolDescription,
    rows: Iterable[Row],
    *,
    listings: Mapping[str, Sequence[Seen] | None],
    machines: Iterable[Machine],
    now: float,
    failures: Mapping[str, int] | None = None,
) -> tuple[Known, ...]:
    """Return every worker that is not over, as all sides see it.

    Workers that the registry does not know, because it was lost or the agent died in between, are taken in
    by their names.

    Args:
        pool: The description.
        rows: What the registry remembers, without those that are over.
        listings: What each provider says; ``None`` for one that could not say.
        machines: What the pool says.
        now: Unix time.
        failures: Jobs that failed at once on a worker, one after the other, by its name.
    """
    seen = {one.worker: one for listing in listings.values() for one in listing or ()}
    inside = {one.worker: one for one in machines}
    there = {row.name: row for row in rows}
    for row in _strangers(pool, seen, inside, there, now):
        there[row.name] = row
    return tuple(
        _known(row, seen.get(name), inside.get(name), now, (failures or {}).get(name, 0))
        for name, row in sorted(there.items())
    )


def flavour_of(pool: PoolDescription, worker: str) -> Flavour | None:
    """Return the flavour that a worker's name tells; nothing if it is no worker of this pool."""
    return next((one for one in pool.flavours if _is_own(worker, prefix(pool.name, one.name))), None)


def _is_own(worker: str, beginning: str) -> bool:
    rest = worker[len(beginning) :]
    return worker.startswith(beginning) and len(rest) == _DIGITS and set(rest) <= set("0123456789abcdef")


def _strangers(
    pool: PoolDescription,
    seen: Mapping[str, Seen],
    inside: Mapping[str, Machine],
    there: Mapping[str, Row],
    now: float,
) -> Iterator[Row]:
    """Yield workers that the registry does not know and that are not over.

    A worker of which the pool alone knows is one only while it speaks: its ads may outlive it.
    """
    alive = {name for name, one in seen.items() if one.state in {State.PENDING, State.RUNNING}}
    speaking = {name for name, one in inside.items() if one.heard < SILENT and name not in seen}
    for name in sorted((alive | speaking) - there.keys()):
        flavour = flavour_of(pool, name)
        if flavour is not None:
            yield Row(
                name=name,
                flavour=flavour.name,
                provider=flavour.provider,
                phase=Phase.ASKED,
                asked=now,
                since=now,
            )


def _known(row: Row, seen: Seen | None, machine: Machine | None, now: float, failures: int) -> Known:
    heard = _heard(row, machine, now)
    phase = _phase(row, seen, machine)
    return Known(
        worker=row.name,
        flavour=row.flavour,
        state=phase,
        since=max(0.0, now - row.since) if phase is row.phase else 0.0,
        age=max(0.0, now - row.asked),
        free_cores=machine.free_cores if machine else 0,
        free_memory=machine.free_memory if machine else 0,
        free_gpus=machine.free_gpus if machine else 0,
        free_disk=machine.free_disk if machine else None,
        jobs=machine.jobs if machine else 0,
        heard=heard,
        failures=failures,
        provider_state=seen.state if seen else None,
        reason=seen.reason if seen else "",
    )


def _heard(row: Row, machine: Machine | None, now: float) -> float | None:
    if machine is not None:
        return machine.heard
    return None if row.heard is None else max(0.0, now - row.heard)


def _phase(row: Row, seen: Seen | None, machine: Machine | None) -> Phase:
    """Return how a worker is; what was decided about it stays, whatever else is seen."""
    if row.phase in _FINAL:
        return row.phase
    if machine is not None:
        if machine.leaving:
            return Phase.DRAINING
        return Phase.BUSY if machine.jobs else Phase.IDLE
    if row.phase in _JOINED or seen is None:
        return row.phase
    return {State.PENDING: Phase.PENDING, State.RUNNING: Phase.BOOTING}.get(seen.state, row.phase)
