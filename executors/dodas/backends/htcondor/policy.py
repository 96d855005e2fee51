"""What is done about a step that did not end as it should.  Pure: facts in, decision out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from dodas.backends.htcondor.holds import Hold
from dodas.backends.htcondor.jobs import Ending, Tries
from dodas.step import Failure, Resources, Result

OnHold = Literal["retry", "fail", "wait"]
NODE_FAULT = 75  # EX_TEMPFAIL of sysexits.h: the worker's word for "another node may do better"
BAD_ORDER = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What the user wants to be tried.

    Attributes:
        retries: How often a step that a node lost is run elsewhere.
        growths: How often a step that had too little memory is run with more.
        growth: How much more.
        on_hold: ``retry``: a held job is released after a while, as often as ``retries`` says; ``fail``:
            its steps have failed; ``wait``: somebody else has to release it.
        pause: Seconds until a held job is released; twice that the next time.
        avoid: Seconds for which a machine that lost a step does not get it again.
    """

    retries: int = 2
    growths: int = 2
    growth: float = 2.0
    on_hold: OnHold = "retry"
    pause: float = 10.0
    avoid: int = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Again:
    """Run it once more, after what was tried; ``why`` is for people."""

    tries: Tries
    why: str
    memory: float = 1.0  # times what it had


@dataclass(frozen=True, slots=True, kw_only=True)
class Fail:
    """It has failed."""

    failure: Failure
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """Let it run again after a while."""

    after: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Leave it to somebody else."""


def ended(policy: Policy, result: Result, resources: Resources, tries: Tries, node: str) -> Again | None:
    """Return what to do about a step that a worker reports on; ``None``: the result stands."""
    if result.failure is Failure.LOST and tries.lost < policy.retries:
        return _elsewhere(tries, node, result.reason)
    if ran_out_of_memory(result, resources) and tries.grown < policy.growths:
        return _larger(policy, tries, result.reason)
    return None


def ran_out_of_memory(result: Result, resources: Resources) -> bool:
    """Return whether a step was stopped for its memory, and not for its time."""
    if result.failure is not Failure.LIMIT or resources.memory is None:
        return False
    limit = resources.walltime
    in_time = limit is None or result.usage.wall < limit.total_seconds()
    return in_time or result.usage.peak_memory > resources.memory


def lost(
    policy: Policy,
    ending: Ending,
    tries: Tries,
    node: str,
    problem: str = "",
    *,
    failure: Failure = Failure.CONTAINER,
) -> Again | Fail:
    """Return what to do about a step whose job left the queue without a word on it.

    Args:
        policy: What the user wants.
        ending: How the job left.
        tries: What was tried before.
        node: Where it was.
        problem: What the worker says.
        failure: What kind of failure that is.
    """
    at = f" on {node}" if node else ""
    if ending.removed:
        return Fail(failure=Failure.CANCELLED, reason=f"its job was removed from the queue: {ending.reason}")
    why = problem or _why(ending)
    if tries.lost < policy.retries:
        return _elsewhere(tries, node, why)
    times = "" if tries.lost == 0 else f" (tried {tries.lost + 1} times)"
    failure = failure if ending.exit_code == NODE_FAULT else Failure.LOST
    return Fail(failure=failure, reason=f"lost{at}{times}: {why}")


def held(policy: Policy, hold: Hold, holds: int, tries: Tries) -> Again | Fail | Release | Wait:
    """Return what to do about a job that is held for the ``holds``-th time."""
    if hold.memory and tries.grown < policy.growths:
        return _larger(policy, tries, str(hold))
    if hold.memory or hold.time:
        return Fail(failure=Failure.LIMIT, reason=f"stopped by HTCondor: {hold}")
    if policy.on_hold == "wait":
        return Wait()
    if policy.on_hold == "retry" and holds <= policy.retries:
        return Release(after=policy.pause * 2 ** (holds - 1))
    times = "" if holds == 1 else f" {holds} times"
    return Fail(failure=Failure.LOST, reason=f"held{times} in the queue: {hold}")


def counting(tries: Tries, requeues: int) -> Tries:
    """Return the tries with those that HTCondor made by itself."""
    return Tries(lost=tries.lost + requeues, grown=tries.grown, avoid=tries.avoid)


def _elsewhere(tries: Tries, node: str, why: str) -> Again:
    avoid = (*tries.avoid, node) if node and node not in tries.avoid else tries.avoid
    return Again(tries=Tries(lost=tries.lost + 1, grown=tries.grown, avoid=avoid), why=why)


def _larger(policy: Policy, tries: Tries, why: str) -> Again:
    return Again(
        tries=Tries(lost=tries.lost, grown=tries.grown + 1, avoid=tries.avoid), why=why, memory=policy.growth
    )


def _why(ending: Ending) -> str:
    if ending.exit_code == BAD_ORDER:
        return "the worker could not read its order; does the node see the directory of the run?"
    if ending.exit_code is not None:
        return f"the worker ended with status {ending.exit_code} and no result"
    return ending.reason or "its job vanished from the queue"
