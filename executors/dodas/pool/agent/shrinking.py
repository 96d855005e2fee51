"""Which workers are too many: over a limit that was lowered, or idle and not needed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from dodas.pool.agent.demand import Act, Decision, Known, Phase
from dodas.pool.agent.limits import cores_of
from dodas.pool.agent.packing import Order, Stock
from dodas.pool.agent.wording import duration, some
from dodas.pool.description.model import Flavour, PoolDescription

_GRACE = 30.0  # seconds that a worker has to leave by itself when its idle time is over
_COMING = {Phase.ASKED: 0, Phase.PENDING: 1, Phase.BOOTING: 2}


def over_limits(pool: PoolDescription, workers: Sequence[Known], spent: str) -> Iterator[Decision]:
    """Yield what brings the pool below limits that were lowered: first what costs least to lose.

    Args:
        pool: The description, with the limits.
        workers: Those that are neither leaving nor lost.
        spent: Which budget of hours is used up, if one is: then nothing more is to be begun.
    """
    kept = {worker.worker: worker for worker in workers}
    for reason, too_many in _excesses(pool, kept, spent):
        for worker in too_many:
            del kept[worker.worker]
            yield _away(worker, reason)


def order(worker: Known) -> Order:
    """Return when a worker without jobs is used: idle ones first, and those that were asked for earlier."""
    return (0.0,) if worker.state is Phase.IDLE else (1.0, -worker.age, -float(_COMING[worker.state]))


def not_needed(pool: PoolDescription, workers: Sequence[Known], stock: Stock) -> Iterator[Decision]:
    """Yield what brings the pool down to what its queue needs, and not below the minimum.

    An idle worker leaves by itself as a rule.  This is for those that do not, and for those that their
    provider has had no room for until they were no longer needed.

    Args:
        pool: The description.
        workers: Those that are neither leaving nor lost.
        stock: What they had free, and the queue has used up.
    """
    young = pool.elasticity.young
    for flavour in pool.flavours:
        own = [one for one in workers if one.flavour == flavour.name]
        spare = len(own) - min(flavour.minimum, flavour.maximum)
        left = stock.whole_left(flavour.name)
        for worker in sorted((one for one in own if _is_ripe(one, flavour, young)), key=_dear):
            if spare > 0 and left.get(order(worker), 0) > 0:
                left[order(worker)] -= 1
                spare -= 1
                yield _away(worker, _why(worker))


def _is_ripe(worker: Known, flavour: Flavour, young: float) -> bool:
    """Whether a worker may be taken away if it is not needed."""
    if worker.state not in {Phase.IDLE, Phase.PENDING} or worker.age <= young:
        return False
    return worker.since >= flavour.idle + (_GRACE if worker.state is Phase.IDLE else 0.0)


def _why(worker: Known) -> str:
    if worker.state is Phase.PENDING:
        return "no job needs it any more, and its provider has had no room for it yet"
    return f"it has had no job for {duration(worker.since)}, and none waits that it could take"


def _excesses(
    pool: PoolDescription, kept: Mapping[str, Known], spent: str
) -> Iterator[tuple[str, Sequence[Known]]]:
    """Yield for each limit what it is, and the workers that are too many for it; ``kept`` has those left."""
    if spent:
        yield spent, list(kept.values())
    for flavour in pool.flavours:
        own = [one for one in kept.values() if one.flavour == flavour.name]
        reason = f"flavour {flavour.name} may have {some(flavour.maximum, 'worker')}"
        yield reason, _cheapest(own, len(own) - flavour.maximum)
    budget = pool.budget
    if budget.workers is not None:
        reason = f"the budget has {some(budget.workers, 'worker')} at once"
        yield reason, _cheapest(list(kept.values()), len(kept) - budget.workers)
    if budget.cores is not None:
        reason = f"the budget has {some(budget.cores, 'core')} at once"
        yield reason, _cores(pool, list(kept.values()), budget.cores)


def _cheapest(workers: Sequence[Known], many: int) -> Sequence[Known]:
    return sorted(workers, key=_dear)[:many] if many > 0 else ()


def _cores(pool: PoolDescription, workers: Sequence[Known], most: int) -> Sequence[Known]:
    many = sum(cores_of(pool, one) for one in workers) - most
    chosen: list[Known] = []
    for worker in sorted(workers, key=_dear) if many > 0 else ():
        if many > 0:
            many -= cores_of(pool, worker)
            chosen.append(worker)
    return chosen


def _dear(worker: Known) -> tuple[object, ...]:
    """Return how much is lost with a worker: what sorts less is less."""
    ranks = (*_COMING, Phase.IDLE, Phase.BUSY)
    return (ranks.index(worker.state), worker.jobs, -worker.since, worker.worker)


def _away(worker: Known, reason: str) -> Decision:
    act = Act.TERMINATE if worker.state in _COMING else Act.DRAIN
    return Decision(kind=act, flavour=worker.flavour, worker=worker.worker, reason=reason)
