"""How many more workers there may be: maxima, budgets, and flavours that are left alone for a while."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from dodas.pool.agent.demand import Act, Bucket, Deaths, Decision, Known, Observation, Phase, Trouble
from dodas.pool.agent.wording import some
from dodas.pool.description.model import Flavour, PoolDescription

_COMING = {Phase.ASKED, Phase.PENDING, Phase.BOOTING}
_AGAIN = 2  # times that workers of a flavour must come to nothing until it pauses
_ENDLESS = 1 << 30


class Limits:
    """Counts every worker that is not over, draining and lost ones too, and what is launched in this look.

    Args:
        pool: The description.
        seen: What there is.
        healed: What is done in this look about workers that are not well.
    """

    def __init__(self, pool: PoolDescription, seen: Observation, healed: Iterable[Decision] = ()) -> None:
        self._pool = pool
        healed = tuple(healed)
        cures = {one.worker: one.kind for one in healed}
        there = [
            one
            for one in seen.workers
            if one.state is not Phase.OVER and cures.get(one.worker) is not Act.FORGET
        ]
        self._counts = Counter(one.flavour for one in there)
        self._coming = Counter(
            one.flavour for one in there if one.state in _COMING and one.worker not in cures
        )
        self._leaving = sum(one.state in {Phase.DRAINING, Phase.LOST} for one in there)
        self._cores = sum(cores_of(pool, one) for one in there)
        self._step = pool.elasticity.step
        self._hours = (seen.worker_hours, seen.core_hours)
        self._troubles = {one.provider: one for one in seen.troubles}
        self._deaths = {(one.flavour, one.joined): one for one in seen.flavour_deaths}
        for flavour, reason in {one.flavour: one.reason for one in healed if one.fault}.items():
            before = self._deaths.get((flavour, False))
            count = before.count + 1 if before else 1
            self._deaths[flavour, False] = Deaths(flavour=flavour, count=count, reason=reason)

    def take(self, flavour: Flavour, count: int) -> None:
        """Count workers that are launched."""
        self._counts[flavour.name] += count
        self._coming[flavour.name] += count
        self._cores += count * flavour.cores
        self._step -= count

    def room(self, flavour: Flavour) -> int:
        """Return how many more workers of a flavour may be launched in this look."""
        rooms = [room for room, _ in self._rooms(flavour)]
        return max(0, min(rooms))

    def why_none(self, flavour: Flavour) -> str:
        """Return what it is that allows no more, as a sentence."""
        return next((why for room, why in self._rooms(flavour) if room <= 0), "")

    def paused(self, flavour: Flavour, bucket: Bucket | None = None) -> str:
        """Return why a flavour is left alone now, as a sentence; empty if it is not.

        Args:
            flavour: The flavour.
            bucket: For which jobs, see :meth:`refused`.
        """
        trouble = self.troubled(flavour)
        if trouble:
            return trouble
        died = self._deaths.get((flavour.name, False))
        if died is not None and died.ago < self._pause(died):
            return f"workers of flavour {flavour.name} came to nothing {died.count} times: {died.reason}"
        return self.refused(flavour, bucket) if bucket is not None else ""

    def refused(self, flavour: Flavour, bucket: Bucket) -> str:
        """Return why a flavour is taken to refuse jobs, as a sentence; empty if it is not.

        Its workers came and left without a job while these waited.  For a while the room of such workers is
        none for them.
        """
        idle = self._deaths.get((flavour.name, True))
        if idle is None or idle.ago >= min(self._pause(idle), bucket.waiting):
            return ""
        return f"workers of flavour {flavour.name} came and took none of these jobs, {idle.count} times"

    def troubled(self, flavour: Flavour) -> str:
        """Return why the provider of a flavour is left alone now; empty if it is not."""
        trouble = self._troubles.get(flavour.provider)
        if trouble is None or not trouble.active:
            return ""
        return f"{flavour.provider} is left alone for a while: {trouble.reason or 'it failed'}"

    def spent(self) -> str:
        """Return which budget of hours is used up, as a sentence; empty if none is."""
        budget = self._pool.budget
        rows = (("worker", budget.worker_hours, self._hours[0]), ("core", budget.core_hours, self._hours[1]))
        found = (
            f"the budget of {most:g} {what}-hours is used up"
            for what, most, spent in rows
            if _over(spent, most)
        )
        return next(found, "")

    def _rooms(self, flavour: Flavour) -> list[tuple[int, str]]:
        """Return for each limit how many workers it still allows, and what to say when that is none."""
        budget = self._pool.budget
        total = self._counts.total()
        leaving = f", {self._leaving} of which are leaving" if self._leaving else ""
        return [
            (
                self._hours_left(flavour, total),
                self.spent() or "the budget of hours has no room for one more worker",
            ),
            (
                flavour.maximum - self._counts[flavour.name],
                f"flavour {flavour.name} has its maximum of {some(flavour.maximum, 'worker')}",
            ),
            (_left(budget.workers, total), f"the budget has {budget.workers} workers at once{leaving}"),
            (
                _left(budget.cores, self._cores) // flavour.cores,
                f"the budget has {budget.cores} cores at once{leaving}",
            ),
            (self._probes(flavour), f"one worker of flavour {flavour.name} is tried before more are started"),
            (self._step, f"{some(self._pool.elasticity.step, 'worker')} at most are started in one look"),
        ]

    def _hours_left(self, flavour: Flavour, total: int) -> int:
        """Return for how many workers the budget of hours is enough, each at its least: come, see, leave."""
        budget = self._pool.budget
        least = max(flavour.idle, self._pool.elasticity.young, 1.0) / 3600
        workers, cores = self._hours
        rooms = [_ENDLESS]
        if budget.worker_hours is not None:
            rooms.append(int((budget.worker_hours - workers) / least) - total)
        if budget.core_hours is not None:
            rooms.append(int(((budget.core_hours - cores) / least - self._cores) / flavour.cores))
        return min(rooms)

    def _probes(self, flavour: Flavour) -> int:
        """Return how many workers may be tried of a flavour that failed lately."""
        died = self._deaths.get((flavour.name, False))
        failing = flavour.provider in self._troubles or (died is not None and died.count >= _AGAIN)
        return 1 - self._coming[flavour.name] if failing else _ENDLESS

    def _pause(self, deaths: Deaths) -> float:
        elasticity = self._pool.elasticity
        if deaths.count < _AGAIN:
            return 0.0
        return pause(elasticity.backoff, elasticity.backoff_most, deaths.count - _AGAIN + 1)


def pause(first: float, most: float, failures: int) -> float:
    """Return how long to leave something alone that failed so often in a row."""
    return float(min(most, first * 2.0 ** min(failures - 1, 60))) if failures > 0 else 0.0


def after(failure: str, pool: PoolDescription, provider: str, failures: int, asked: float | None) -> Trouble:
    """Return the trouble of a provider that has just failed.

    Args:
        failure: Its error, one sentence.
        pool: The description, with the pauses.
        provider: Its name.
        failures: How often in a row it has failed, this time included.
        asked: After how many seconds it wants to be asked again, if it said so.
    """
    elasticity = pool.elasticity
    until = max(pause(elasticity.backoff, elasticity.backoff_most, failures), asked or 0.0)
    return Trouble(provider=provider, failures=failures, until=until, reason=failure)


def cores_of(pool: PoolDescription, worker: Known) -> int:
    """Return the cores of a worker; at least one if its flavour is no longer described."""
    found = (flavour.cores for flavour in pool.flavours if flavour.name == worker.flavour)
    return next(found, max(1, worker.free_cores))


def _left(most: int | None, used: int) -> int:
    return _ENDLESS if most is None else most - used


def _over(spent: float, most: float | None) -> bool:
    return most is not None and spent >= most
