"""What the agent sees and what it decides: plain, frozen values, and the queue grouped into kinds of jobs.

Sizes are bytes, times are seconds.  HTCondor's own units appear in :mod:`.job_ads` alone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import Enum

from dodas.pool.agent.job_ads import JobAd, Kind, identity, queued
from dodas.pool.agent.kinds import Group, Kinds
from dodas.pool.description.model import Pairs
from dodas.pool.providers.base import State

_NAMED = 3  # jobs of a kind that are named to people


class Phase(Enum):
    """How a worker is, as the agent sees it."""

    ASKED = "asked"  # the provider was asked, and has not shown it yet
    PENDING = "pending"  # the provider knows it, and has no room for it yet
    BOOTING = "booting"  # its node is there, but it has not joined the pool
    IDLE = "idle"  # in the pool, without jobs
    BUSY = "busy"  # in the pool, with jobs
    DRAINING = "draining"  # takes no more jobs, and leaves when those that it has are done
    LOST = "lost"  # given up: its provider was told to end it
    OVER = "over"  # gone


class Act(Enum):
    """What can be done about workers."""

    LAUNCH = "launch"  # ask for ``count`` workers of ``flavour``
    DRAIN = "drain"  # let ``worker`` end its jobs and leave
    TERMINATE = "terminate"  # tell the provider to end ``worker``, which becomes LOST
    FORGET = "forget"  # ``worker`` is gone: it becomes OVER, and its ads are removed
    BLACKLIST = "blacklist"  # no job is to be sent to ``worker`` any more
    WAIT = "wait"  # nothing can be done for ``jobs`` now


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """Jobs that wait and ask for the same.

    Attributes:
        cores: What each asks for.
        memory: Bytes.
        disk: Bytes.
        gpus: GPUs.
        requirements: Their Requirements, a ClassAd expression.
        attributes: Those of their attributes that Requirements and START expressions refer to, with the
            expressions that they have.
        flavours: Which can take them; ``None``: any that is large enough.
        count: How many jobs.
        waiting: How long the oldest has waited.
        jobs: A few of their ids.
    """

    cores: int = 1
    memory: int = 0
    disk: int = 0
    gpus: int = 0
    requirements: str = ""
    attributes: Pairs = ()
    flavours: frozenset[str] | None = None
    count: int = 1
    waiting: float = 0.0
    jobs: tuple[str, ...] = ()

    @property
    def kind(self) -> Kind:
        """What makes jobs belong together."""
        return (self.cores, self.memory, self.disk, self.gpus, self.requirements, self.attributes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A worker that is not over, seen from all sides.

    Attributes:
        worker: Its name.
        flavour: What it is; the description may not have it any more.
        state: How it is.
        since: How long it has been so.
        age: How long ago it was asked for.
        free_cores: What no job has; only meant while it is idle or busy.
        free_memory: Bytes.
        free_gpus: GPUs.
        free_disk: Bytes; ``None`` if nobody knows.
        jobs: How many it runs.
        heard: How long ago the pool last heard of it; ``None``: never.
        failures: Jobs that failed to start on it, or were gone within seconds, one after the other.
        provider_state: What its provider says; ``None``: the provider does not know it.  While the provider
            cannot say, it has an active :class:`Trouble`, and nothing follows from this.
        reason: In the provider's words, why it waits or failed.
    """

    worker: str
    flavour: str
    state: Phase
    since: float = 0.0
    age: float = 0.0
    free_cores: int = 0
    free_memory: int = 0
    free_gpus: int = 0
    free_disk: int | None = None
    jobs: int = 0
    heard: float | None = None
    failures: int = 0
    provider_state: State | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """A provider that failed, and is left alone for a while.

    Attributes:
        provider: Its name in the description.
        failures: How often in a row.
        until: Seconds from now until it is asked again; not more than 0: now.  A provider that could not list
            its workers in this look has more than 0.
        reason: Its error, one sentence.
    """

    provider: str
    failures: int = 1
    until: float = 0.0
    reason: str = ""

    @property
    def active(self) -> bool:
        """Whether the provider is left alone."""
        return self.until > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Deaths:
    """Workers of a flavour that came to nothing, one after the other, the last ones of their flavour.

    Attributes:
        flavour: Its name.
        count: How many.
        ago: How long ago the last one ended.
        reason: Why the last one ended.
        joined: They were in the pool, and left without having had a job; else they never came so far, or
            failed at once.
    """

    flavour: str
    count: int
    ago: float = 0.0
    reason: str = ""
    joined: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """All that decisions depend on beside the description.

    Attributes:
        now: Unix time.
        buckets: Jobs that wait.
        workers: Workers that are not over.
        troubles: Providers that failed.
        worker_hours: Spent so far by all workers.
        core_hours: Spent so far.
        flavour_deaths: Flavours whose workers come to nothing.
    """

    now: float = 0.0
    buckets: tuple[Bucket, ...] = ()
    workers: tuple[Known, ...] = ()
    troubles: tuple[Trouble, ...] = ()
    worker_hours: float = 0.0
    core_hours: float = 0.0
    flavour_deaths: tuple[Deaths, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One thing to do, or a reason why nothing is done.

    Attributes:
        kind: What.
        flavour: Of which workers, where that is known.
        worker: With which worker; empty for LAUNCH and WAIT.
        count: How many workers, or for WAIT how many jobs.
        reason: A sentence for people; the same while the cause is the same.
        jobs: A few of the jobs that it is about.
        fault: Whether the worker came to nothing, so that others of its flavour may too.
    """

    kind: Act
    flavour: str = ""
    worker: str = ""
    count: int = 1
    reason: str = ""
    jobs: tuple[str, ...] = ()
    fault: bool = False


def buckets(jobs: Iterable[JobAd], now: float, names: Collection[str] = ()) -> tuple[Bucket, ...]:
    """Group the jobs that wait for a worker by what they ask for, those that ask for most first.

    Args:
        jobs: Their ads, of which held, running and finished ones do not count, nor those that need no worker.
        now: Unix time.
        names: Attributes of jobs beside those in their Requirements by which they differ, see
            :func:`dodas.pool.agent.matching.attributes`.
    """
    kinds = Kinds(names, now)
    for ad in jobs:
        group = kinds.of(ad)
        if group is None:
            continue
        group.count += 1
        group.since = min(group.since, queued(ad, now))
        if group.count <= _NAMED:
            group.jobs.append(identity(ad))
    return tuple(_bucket(kinds.groups[kind], now) for kind in sorted(kinds.groups, key=_size, reverse=True))


def _bucket(group: Group, now: float) -> Bucket:
    cores, memory, disk, gpus, requirements, attributes = group.kind
    return Bucket(
        cores=cores,
        memory=memory,
        disk=disk,
        gpus=gpus,
        requirements=requirements,
        attributes=attributes,
        count=group.count,
        waiting=now - group.since,
        jobs=tuple(group.jobs),
    )


def _size(kind: Kind) -> tuple[object, ...]:
    return (kind[3], *kind)
