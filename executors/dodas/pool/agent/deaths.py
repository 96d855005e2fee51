"""Flavours whose workers come to nothing again and again, told from what the registry remembers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from dodas.pool.agent.demand import Deaths
from dodas.pool.agent.supply import Row

Verdict = bool | None


def deaths(ended: Iterable[Row], there: Iterable[Row], now: float) -> tuple[Deaths, ...]:
    """Return for each flavour how many of its last workers came to nothing, one look after the other.

    Workers that were asked for together count as one: what broke them broke them once.  Those that are known
    to have come to nothing, and have yet to end, count already.

    Args:
        ended: Workers that are over, the latest first.
        there: Workers that are not over.
        now: Unix time.
    """
    groups: dict[str, list[Row]] = {}
    alive = list(there)
    for row in sorted((*ended, *(row for row in alive if row.fault)), key=_last, reverse=True):
        groups.setdefault(row.flavour, []).append(row)
    return tuple(
        found
        for flavour in sorted(groups)
        for found in _of_flavour(groups[flavour], [row for row in alive if row.flavour == flavour], now)
    )


def _of_flavour(ended: Sequence[Row], there: Sequence[Row], now: float) -> Iterator[Deaths]:
    """Yield what is wrong with a flavour, unless a worker that is there shows that it is over."""
    joined = max((row.asked for row in there if row.heard is not None and not row.fault), default=0.0)
    worked = max((row.asked for row in there if row.worked), default=0.0)
    yield from _count([row for row in _leading(ended, failed) if row.asked > joined], now, joined=False)
    yield from _count([row for row in _leading(ended, useless) if row.asked > worked], now, joined=True)


def _last(row: Row) -> float:
    return row.since if row.ended is None else row.ended


def failed(row: Row) -> Verdict:
    """Whether a worker never came so far as to take jobs; ``None`` if it was not given the time."""
    if row.fault:
        return True
    return None if row.heard is None else False


def useless(row: Row) -> Verdict:
    """Whether a worker was in the pool and never had a job; ``None`` if it was not in the pool."""
    return None if row.fault or row.heard is None else not row.worked


def _leading(ended: Sequence[Row], judge: Callable[[Row], Verdict]) -> Iterator[Row]:
    """Yield the bad ones up to the last good one."""
    for row in ended:
        verdict = judge(row)
        if verdict is False:
            return
        if verdict:
            yield row


def _count(rows: Sequence[Row], now: float, *, joined: bool) -> Iterator[Deaths]:
    if rows:
        last = rows[0]
        yield Deaths(
            flavour=last.flavour,
            count=len({row.asked for row in rows}),
            ago=max(0.0, now - _last(last)),
            reason=last.reason or "nobody said why",
            joined=joined,
        )
