"""What is wrong with workers, and what is done about it: rules over what is known of one worker."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from dodas.pool.agent.demand import Act, Decision, Known, Observation, Phase
from dodas.pool.agent.wording import duration
from dodas.pool.description.model import PoolDescription
from dodas.pool.providers.base import State

SILENT = 60.0
"""Seconds of silence after which a worker that was in the pool is given up: four of its updates."""
UNKNOWN = 60.0
"""Seconds after which a provider must know a worker that it was asked for."""
AGAIN = 60.0
"""Seconds after which a provider is told once more to end a worker."""
BLACK_HOLE = 3
"""Jobs that fail to start one after the other on a worker that is to be kept from jobs."""
_HEAD_SILENT = 300.0  # when all are silent it is rather the head, or the network to it, than all of them

_ENDED = {State.ENDED, State.FAILED}
_JOINED = {Phase.IDLE, Phase.BUSY}
_TAKEN_BACK = {Phase.ASKED, Phase.PENDING, Phase.BOOTING}

Rule = Callable[["Ward", Known], tuple[Decision, ...]]


class Ward:
    """Looks after the workers of one observation."""

    def __init__(self, pool: PoolDescription, seen: Observation) -> None:
        self.boot = pool.elasticity.boot
        self.providers = {flavour.name: flavour.provider for flavour in pool.flavours}
        self.mute = {trouble.provider for trouble in seen.troubles if trouble.active}
        running = [one for one in seen.workers if one.provider_state is State.RUNNING]
        heard = [one.heard for one in running if one.heard is not None]
        together = len(heard) >= BLACK_HOLE and min(heard) >= SILENT
        self.silent = _HEAD_SILENT if together else SILENT
        self._workers = seen.workers

    def decisions(self) -> Iterator[Decision]:
        """Yield what is to be done; for a worker that is well, nothing."""
        for worker in self._workers:
            if worker.state is not Phase.OVER:
                yield from next(filter(None, (rule(self, worker) for rule in _RULES)), ())

    def provider(self, worker: Known) -> str:
        """Return the name of a worker's provider, for sentences."""
        return self.providers.get(worker.flavour, "its provider")


def _ended(ward: Ward, worker: Known) -> tuple[Decision, ...]:
    """The provider says that it is over."""
    if worker.provider_state not in _ENDED:
        return ()
    how = "failed" if worker.provider_state is State.FAILED else "ended"
    why = f": {worker.reason}" if worker.reason else ""
    fault = worker.heard is None and worker.state in _TAKEN_BACK
    return (_about(worker, Act.FORGET, f"{ward.provider(worker)} says that it {how}{why}", fault=fault),)


def _unknown(ward: Ward, worker: Known) -> tuple[Decision, ...]:
    """The provider does not know it, though it was asked long ago, and neither does the pool."""
    if worker.provider_state is not None or ward.provider(worker) in ward.mute or _is_heard(worker, SILENT):
        return ()
    if worker.state is Phase.ASKED and worker.age > UNKNOWN:
        reason = f"{ward.provider(worker)} does not know it {UNKNOWN:g} s after it was asked for"
        return (_about(worker, Act.FORGET, reason),)
    if worker.state is not Phase.ASKED and worker.age > UNKNOWN:
        fault = worker.heard is None and worker.state in _TAKEN_BACK
        return (
            _about(worker, Act.FORGET, f"{ward.provider(worker)} does not know it any more", fault=fault),
        )
    return ()


def _given_up(ward: Ward, worker: Known) -> tuple[Decision, ...]:
    """It was told to end, and has not."""
    if worker.state is not Phase.LOST:
        return ()
    if worker.provider_state is None or worker.since < AGAIN or ward.provider(worker) in ward.mute:
        return (_NOTHING,)
    return (_about(worker, Act.TERMINATE, f"{ward.provider(worker)} was told to end it and has not"),)


def _stillborn(ward: Ward, worker: Known) -> tuple[Decision, ...]:
    """Its node runs, but it never joined the pool."""
    if worker.state is not Phase.BOOTING or worker.heard is not None or worker.since < ward.boot:
        return ()
    reason = f"it did not join the pool within {duration(ward.boot)}"
    return (_about(worker, Act.TERMINATE, reason, fault=True),)


def _silent(ward: Ward, worker: Known) -> tuple[Decision, ...]:
    """It was in the pool and is silent, while its provider says that it runs."""
    if worker.provider_state is not State.RUNNING or worker.heard is None or _is_heard(worker, ward.silent):
        return ()
    reason = f"the pool has not heard of it for {ward.silent:g} s, while {ward.provider(worker)} says it runs"
    return (_about(worker, Act.TERMINATE, reason),)


def _lingering(ward: Ward, worker: Known) -> tuple[Decision, ...]:
    """It was told to leave, has no job any more, and has not left."""
    if worker.state is not Phase.DRAINING or worker.jobs or worker.since < AGAIN:
        return ()
    if worker.provider_state is not State.RUNNING:
        return ()
    return (_about(worker, Act.TERMINATE, f"it has no job any more and has not left within {AGAIN:g} s"),)


def _black_hole(ward: Ward, worker: Known) -> tuple[Decision, ...]:
    """Jobs fail on it at once, which makes it free for the next ones."""
    if worker.state not in _JOINED or worker.failures < BLACK_HOLE:
        return ()
    reason = f"{worker.failures} jobs in a row failed on it within seconds"
    return (_about(worker, Act.BLACKLIST, reason, fault=True), _about(worker, Act.DRAIN, reason))


def _homeless(ward: Ward, worker: Known) -> tuple[Decision, ...]:
    """Its flavour is no longer in the description."""
    if worker.flavour in ward.providers:
        return ()
    reason = f"the description has no flavour {worker.flavour} any more"
    if worker.state is Phase.IDLE:
        return (_about(worker, Act.DRAIN, reason),)
    return (_about(worker, Act.TERMINATE, reason),) if worker.state in _TAKEN_BACK else ()


_NOTHING = Decision(kind=Act.WAIT)  # a rule's word that later rules have no say
_RULES: tuple[Rule, ...] = (
    _ended,
    _unknown,
    _given_up,
    _stillborn,
    _silent,
    _lingering,
    _black_hole,
    _homeless,
)


def heal(pool: PoolDescription, seen: Observation) -> tuple[Decision, ...]:
    """Return what is to be done about workers that ended, are lost, broken, or not wanted any more."""
    return tuple(one for one in Ward(pool, seen).decisions() if one is not _NOTHING)


def _is_heard(worker: Known, seconds: float) -> bool:
    return worker.heard is not None and worker.heard < seconds


def _about(worker: Known, act: Act, reason: str, *, fault: bool = False) -> Decision:
    return Decision(kind=act, flavour=worker.flavour, worker=worker.worker, reason=reason, fault=fault)
