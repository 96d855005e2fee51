"""Answers to what people ask: why does my job wait, why was this worker stopped."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from dodas.pool.agent.decide import Outcome, plan, preferred
from dodas.pool.agent.demand import Act, Bucket, Known, Observation, Phase
from dodas.pool.agent.matching import asks
from dodas.pool.agent.rows import Recorded
from dodas.pool.agent.supply import Row
from dodas.pool.agent.wording import duration, some
from dodas.pool.description.model import PoolDescription

_USEFUL = (Phase.IDLE, Phase.BUSY, Phase.BOOTING, Phase.PENDING, Phase.ASKED)
_LATEST = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What to tell.

    Attributes:
        lines: For people.
        facts: The same for programs, as plain values.
    """

    lines: tuple[str, ...]
    facts: Mapping[str, object]


def why_waiting(
    pool: PoolDescription, seen: Observation, job: Bucket, decisions: Sequence[Recorded] = ()
) -> Answer:
    """Return why a job waits, from the same reckoning that decides about workers.

    Args:
        pool: The description.
        seen: The pool as it is now.
        job: The job's own ad, grouped and matched as the queue is; it stands for itself alone.
        decisions: What was decided lately, the latest first.
    """
    outcome = _outcome(pool, seen, job)
    flavours = [flavour.name for flavour in preferred(pool, outcome.bucket)]
    coming = _supply(seen.workers, flavours)
    name = job.jobs[0] if job.jobs else "the job"
    like = outcome.bucket.count
    lines = [f"{name} asks for {asks(job)}; {_alike(like, outcome.bucket.waiting)}"]
    lines += _fates(outcome, coming)
    lines += [f"{_clock(one.first)} {_sentence(one)}" for one in _about(decisions, flavours)]
    facts = {
        "job": name,
        "asks": {"cores": job.cores, "memory": job.memory, "disk": job.disk, "gpus": job.gpus},
        "requirements": job.requirements,
        "alike": like,
        "waiting": round(outcome.bucket.waiting, 1),
        "flavours": flavours,
        "workers": coming,
        "placed": outcome.placed,
        "launched": dict(outcome.launched),
        "unplaced": outcome.waiting,
        "reason": outcome.reason,
        "decisions": [_plain(one) for one in _about(decisions, flavours)],
    }
    return Answer(lines=tuple(lines), facts=facts)


def why_stopped(name: str, row: Row | None, decisions: Sequence[Recorded] = ()) -> Answer:
    """Return what became of a worker, and why.

    Args:
        name: The worker's name.
        row: What the registry has of it.
        decisions: Those about it, the latest first.
    """
    own = [one for one in reversed(decisions) if one.decision.worker == name]
    if row is None:
        lines = [f"{name} is not known: it never was, or ended too long ago"]
    else:
        lines = [_life(row), *(f"{_clock(one.first)} {_sentence(one)}" for one in own)]
        if not own and row.phase in {Phase.OVER, Phase.DRAINING}:
            lines.append(f"nothing was decided about it: it left by itself{_because(row.reason)}")
        elif not own:
            lines.append(f"nothing was decided about it, and it is not stopped{_because(row.reason)}")
    facts = {
        "worker": name,
        "known": row is not None,
        "flavour": row.flavour if row else "",
        "provider": row.provider if row else "",
        "phase": row.phase.value if row else "",
        "handle": row.handle if row else "",
        "node": row.node if row else "",
        "asked": row.asked if row else None,
        "ended": row.ended if row else None,
        "reason": row.reason if row else "",
        "decisions": [_plain(one) for one in own],
    }
    return Answer(lines=tuple(lines), facts=facts)


def lately(pool: PoolDescription, seen: Observation, decisions: Sequence[Recorded]) -> Answer:
    """Return what was decided lately, and what waits and why.

    Args:
        pool: The description.
        seen: The pool as it is now.
        decisions: What was decided lately, the latest first.
    """
    lines, facts = [], []
    for one in reversed([one for one in decisions if one.decision.kind is not Act.WAIT]):
        made = one.decision
        what = made.worker or f"{made.count} {made.flavour}"
        lines.append(f"{_clock(one.last)} {made.kind.value} {what}: {made.reason}")
        facts.append({"time": one.last, "act": made.kind.value, "what": what, "reason": made.reason})
    waits = [one for one in plan(pool, seen).outcomes if one.waiting]
    for outcome in waits:
        lines.append(f"{outcome.waiting} waiting ({', '.join(outcome.bucket.jobs)}): {outcome.reason}")
    plain = [{"count": one.waiting, "jobs": one.bucket.jobs, "reason": one.reason} for one in waits]
    return Answer(
        lines=tuple(lines) or ("nothing was decided lately, and nothing waits",),
        facts={"decisions": facts, "waiting": plain},
    )


def _outcome(pool: PoolDescription, seen: Observation, job: Bucket) -> Outcome:
    """Return what becomes of the jobs of a kind; one that is not in the queue is put there."""
    if not any(one.kind == job.kind for one in seen.buckets):
        seen = replace(seen, buckets=(*seen.buckets, job))
    return next(one for one in plan(pool, seen).outcomes if one.bucket.kind == job.kind)


def _alike(count: int, waiting: float) -> str:
    if count == 1:
        return f"it has waited for {duration(waiting)}"
    return f"{count} jobs ask for the same, and the oldest has waited for {duration(waiting)}"


def _supply(workers: Iterable[Known], flavours: Sequence[str]) -> dict[str, int]:
    """Return how many workers there are, of flavours that matter, by how they are."""
    counts = Counter(one.state for one in workers if one.flavour in flavours)
    return {phase.value: counts[phase] for phase in _USEFUL if counts[phase]}


def _fates(outcome: Outcome, coming: Mapping[str, int]) -> Iterator[str]:
    if outcome.placed:
        there = ", ".join(f"{count} {phase}" for phase, count in coming.items())
        yield f"{_of(outcome.placed, outcome)} have room on workers that there are or that come ({there})"
    for flavour, count in outcome.launched:
        yield f"{some(count, 'worker')} of flavour {flavour} {'is' if count == 1 else 'are'} started for them"
    if outcome.waiting:
        yield f"{_of(outcome.waiting, outcome)} have to wait: {outcome.reason}"
    elif outcome.placed == outcome.bucket.count and (coming.get("idle") or coming.get("busy")):
        yield "HTCondor gives them to those workers when it next negotiates, by the priorities of users"


def _of(count: int, outcome: Outcome) -> str:
    return "all" if count == outcome.bucket.count else f"{count} of them"


def _about(decisions: Sequence[Recorded], flavours: Sequence[str]) -> Sequence[Recorded]:
    """Return the latest decisions about flavours, the oldest of these first."""
    found = [one for one in decisions if one.decision.flavour in flavours]
    return list(reversed(found[:_LATEST]))


def _sentence(one: Recorded) -> str:
    decision = one.decision
    what = f"{decision.kind.value} {decision.worker or decision.flavour}".rstrip()
    many = f" x {decision.count}" if decision.count > 1 else ""
    again = f" (again until {_clock(one.last)}, {one.times} times)" if one.times > 1 else ""
    return f"{what}{many}: {decision.reason}{again}"


def _life(row: Row) -> str:
    parts = [f"{row.name} was asked for at {_clock(row.asked)} from {row.provider}"]
    parts += [f"ran on {row.node}"] * bool(row.node)
    parts += ["never joined the pool" if row.heard is None else "was in the pool"]
    parts += [f"ended at {_clock(row.ended)}" if row.ended is not None else f"is {row.phase.value}"]
    return ", ".join(parts)


def _because(reason: str) -> str:
    return f" ({reason})" if reason else ""


def _plain(one: Recorded) -> dict[str, object]:
    decision = one.decision
    return {
        "act": decision.kind.value,
        "flavour": decision.flavour,
        "worker": decision.worker,
        "count": decision.count,
        "reason": decision.reason,
        "jobs": list(decision.jobs),
        "first": one.first,
        "last": one.last,
        "times": one.times,
    }


def _clock(when: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(when))
