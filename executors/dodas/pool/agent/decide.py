"""How many workers of which flavour there should be: one pure function of what is seen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dodas.pool.agent.demand import Act, Bucket, Decision, Known, Observation, Phase
from dodas.pool.agent.healing import heal
from dodas.pool.agent.limits import Limits
from dodas.pool.agent.matching import asks, missing, takes
from dodas.pool.agent.packing import Ask, Room, Stock
from dodas.pool.agent.shrinking import not_needed, order, over_limits
from dodas.pool.agent.wording import some
from dodas.pool.description.model import Flavour, PoolDescription

_LEAVING = {Phase.DRAINING, Phase.LOST, Phase.OVER}
_ENDLESS = 1 << 62
_FRESH = (1.0, 0.0, 0.0)  # the order of a worker that is asked for now
_NAMED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What becomes of the jobs of a bucket.

    Attributes:
        bucket: The jobs.
        placed: How many have room on workers that there are, or that come already.
        launched: Workers that are started for them: flavour, count.
        waiting: How many have to wait for more than that.
        reason: Why they have to.
    """

    bucket: Bucket
    placed: int
    launched: tuple[tuple[str, int], ...] = ()
    waiting: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All that follows from one look.

    Attributes:
        decisions: What to do.
        outcomes: What becomes of each bucket.
    """

    decisions: tuple[Decision, ...]
    outcomes: tuple[Outcome, ...]


def decide(pool: PoolDescription, seen: Observation) -> tuple[Decision, ...]:
    """Return what to do now, each with its reason.

    The same observation always gives the same decisions; once they are carried out, there are no further
    ones until something changes, but for those that a look's step left for the next one.
    """
    return plan(pool, seen).decisions


def plan(pool: PoolDescription, seen: Observation) -> Plan:
    """Return what to do now, and what it means for each kind of jobs."""
    healed = heal(pool, seen)
    limits = Limits(pool, seen, healed)
    touched = {one.worker for one in healed}
    staying = [one for one in seen.workers if one.state not in _LEAVING and one.worker not in touched]
    reduced = tuple(over_limits(pool, staying, limits.spent()))
    touched = {one.worker for one in reduced}
    staying = [one for one in staying if one.worker not in touched]
    growth = _Growth(pool, limits, _stock(pool, staying, limits))
    outcomes = tuple(growth.serve(bucket) for bucket in _in_order(pool, seen.buckets))
    minima = tuple(growth.minima(staying, outcomes))
    surplus = tuple(not_needed(pool, staying, growth.stock))
    decisions = (*healed, *reduced, *_launches(pool, outcomes), *minima, *surplus, *_waits(outcomes))
    return Plan(decisions=decisions, outcomes=outcomes)


@dataclass(frozen=True, slots=True)
class _Growth:
    """Finds room for jobs, and workers for those that find none."""

    pool: PoolDescription
    limits: Limits
    stock: Stock

    def minima(self, staying: Sequence[Known], outcomes: Sequence[Outcome]) -> Iterator[Decision]:
        """Yield the launches that bring flavours to their minimum, beside those for jobs."""
        there = Counter(one.flavour for one in staying)
        for outcome in outcomes:
            there.update(dict(outcome.launched))
        for flavour in self.pool.flavours:
            count = self._launch(flavour, min(flavour.minimum, flavour.maximum) - there[flavour.name])
            if count:
                reason = f"flavour {flavour.name} has a minimum of {some(flavour.minimum, 'worker')}"
                yield Decision(kind=Act.LAUNCH, flavour=flavour.name, count=count, reason=reason)

    def serve(self, bucket: Bucket) -> Outcome:
        """Find room for the jobs of a bucket."""
        ask, flavours = Ask.of(bucket), preferred(self.pool, bucket)
        if not flavours:
            return Outcome(bucket=bucket, placed=0, waiting=bucket.count, reason=missing(self.pool, bucket))
        names = [flavour.name for flavour in flavours if not self.limits.refused(flavour, bucket)]
        left = self.stock.place(ask, bucket.count, names)
        placed, launched = bucket.count - left, []
        for flavour in _cheap(flavours, bucket) if left else ():
            count = self._launch(flavour, -(-left // ask.times(whole(flavour))), bucket)
            if count:
                launched.append((flavour.name, count))
                left = self.stock.place(ask, left, [flavour.name])
        return Outcome(
            bucket=bucket,
            placed=placed,
            launched=tuple(launched),
            waiting=left,
            reason=self._why(_cheap(flavours, bucket), bucket) if left else "",
        )

    def _launch(self, flavour: Flavour, wanted: int, bucket: Bucket | None = None) -> int:
        """Launch up to so many workers, as far as limits and pauses let us; return how many."""
        if wanted <= 0 or self.limits.paused(flavour, bucket):
            return 0
        count = min(wanted, self.limits.room(flavour))
        if count:
            self.limits.take(flavour, count)
            self.stock.add_whole(flavour.name, whole(flavour), _FRESH, count)
        return count

    def _why(self, flavours: Sequence[Flavour], bucket: Bucket) -> str:
        """Return why no flavour gives more workers."""
        reasons = (self.limits.paused(one, bucket) or self.limits.why_none(one) for one in flavours)
        return "; ".join(dict.fromkeys(filter(None, reasons)))


def preferred(pool: PoolDescription, bucket: Bucket) -> tuple[Flavour, ...]:
    """Return the flavours that can take the jobs of a bucket, those that waste least for all of them first.

    What workers there are plays no part, so that the order is the same before and after they are launched.
    """
    fitting = [flavour for flavour in pool.flavours if takes(flavour, bucket)]
    ask = Ask.of(bucket)

    def waste(flavour: Flavour) -> tuple[int, int, int]:
        workers = -(-bucket.count // ask.times(whole(flavour)))
        return (workers * flavour.gpus, workers * flavour.cores, workers * flavour.memory)

    return tuple(sorted(fitting, key=waste))


def whole(flavour: Flavour) -> Room:
    """Return the room of a worker without jobs."""
    return (flavour.cores, flavour.memory, flavour.gpus, flavour.disk or _ENDLESS)


def _in_order(pool: PoolDescription, buckets: Sequence[Bucket]) -> Sequence[Bucket]:
    """Return buckets as they are served: those that workers with GPUs are started for, then large ones.

    The others may use such workers, but none are started for them: they get what is left.
    """

    def most(bucket: Bucket) -> tuple[bool, int, int, int]:
        plain = any(not flavour.gpus and takes(flavour, bucket) for flavour in pool.flavours)
        return (bucket.gpus > 0 or not plain, bucket.gpus, bucket.cores, bucket.memory)

    return sorted(buckets, key=most, reverse=True)


def _cheap(flavours: Sequence[Flavour], bucket: Bucket) -> Sequence[Flavour]:
    """Return the flavours to be launched: none with GPUs for jobs without, if there are others."""
    plain = [flavour for flavour in flavours if not flavour.gpus]
    return plain if plain and not bucket.gpus else flavours


def _stock(pool: PoolDescription, staying: Sequence[Known], limits: Limits) -> Stock:
    """Return the free room of workers that there are and that come already."""
    stock = Stock()
    flavours = {flavour.name: flavour for flavour in pool.flavours}
    for worker in staying:
        flavour = flavours.get(worker.flavour)
        if flavour is None:
            continue
        free = _ENDLESS if worker.free_disk is None else worker.free_disk
        room = (worker.free_cores, worker.free_memory, worker.free_gpus, free)
        if worker.state is Phase.BUSY:
            stock.add_partial(flavour.name, room)
        elif worker.state is Phase.IDLE:
            stock.add_whole(flavour.name, room, order(worker))
        elif worker.state is not Phase.ASKED or not limits.troubled(flavour):
            stock.add_whole(flavour.name, whole(flavour), order(worker))
    return stock


def _launches(pool: PoolDescription, outcomes: Sequence[Outcome]) -> Iterator[Decision]:
    """Yield one launch for each flavour that the queue needs more of."""
    for flavour in pool.flavours:
        needing = [one for one in outcomes if any(name == flavour.name for name, _ in one.launched)]
        count = sum(many for one in needing for name, many in one.launched if name == flavour.name)
        if count:
            jobs = tuple(job for one in needing for job in one.bucket.jobs)[:_NAMED]
            such = f", such as {jobs[0]} ({asks(needing[0].bucket)})" if jobs else ""
            reason = f"jobs wait for which no worker has room{such}"
            yield Decision(kind=Act.LAUNCH, flavour=flavour.name, count=count, reason=reason, jobs=jobs)


def _waits(outcomes: Sequence[Outcome]) -> Iterator[Decision]:
    """Yield why jobs have to wait, one decision for each reason."""
    reasons: dict[str, list[Outcome]] = {}
    for one in outcomes:
        if one.waiting:
            reasons.setdefault(one.reason, []).append(one)
    for reason, group in reasons.items():
        jobs = tuple(job for one in group for job in one.bucket.jobs)[:_NAMED]
        yield Decision(kind=Act.WAIT, count=sum(one.waiting for one in group), reason=reason, jobs=jobs)
