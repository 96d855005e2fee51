"""Pools that are values alone: observations out of thin air, and a world where decisions come true."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from hypothesis import strategies as st

from dodas.pool.agent.decide import decide
from dodas.pool.agent.demand import (
    Act,
    Bucket,
    Deaths,
    Decision,
    Known,
    Observation,
    Phase,
    Trouble,
)
from dodas.pool.description.model import Budget, Elasticity, Flavour, PoolDescription
from dodas.pool.providers.base import State

GIB = 1 << 30
Scene = tuple[PoolDescription, Observation]
PROVIDERS = ("slurm", "cloud")


def flavour(name: str = "small", **changes: object) -> Flavour:
    """A flavour of four cores."""
    plain = Flavour(name=name, provider="slurm", cores=4, memory=8 * GIB, maximum=10)
    return replace(plain, **changes)  # type: ignore[arg-type]


def pool(
    *flavours: Flavour, step: int = 1000, budget: Budget | None = None, **settings: float
) -> PoolDescription:
    """A pool without a description file."""
    elasticity = replace(Elasticity(step=step), **settings)  # type: ignore[arg-type]
    return PoolDescription(
        name="p", flavours=flavours or (flavour(),), budget=budget or Budget(), elasticity=elasticity
    )


def worker(name: str = "p-small-00000001", **changes: object) -> Known:
    """A worker of ``small`` that has been idle in the pool for a short while."""
    plain = Known(
        worker=name,
        flavour="small",
        state=Phase.IDLE,
        since=20.0,
        age=1000.0,
        free_cores=4,
        free_memory=8 * GIB,
        heard=3.0,
        provider_state=State.RUNNING,
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def busy(name: str = "p-small-00000001", **changes: object) -> Known:
    """A worker of ``small`` that is full."""
    return worker(name, **{"state": Phase.BUSY, "free_cores": 0, "free_memory": 0, "jobs": 4, **changes})


def applied(seen: Observation, decisions: Sequence[Decision]) -> Observation:
    """What is seen right after decisions were carried out."""
    workers = {one.worker: one for one in seen.workers}
    for one in decisions:
        if one.kind is Act.LAUNCH:
            for _ in range(one.count):
                name = f"new-{one.flavour}-{len(workers):08x}"
                workers[name] = Known(worker=name, flavour=one.flavour, state=Phase.ASKED)
        elif one.kind is Act.FORGET:
            del workers[one.worker]
        elif one.kind in {Act.TERMINATE, Act.DRAIN}:
            phase = Phase.LOST if one.kind is Act.TERMINATE else Phase.DRAINING
            workers[one.worker] = replace(workers[one.worker], state=phase, since=0.0)
    deaths = {(one.flavour, one.joined): one for one in seen.flavour_deaths}
    for name in {one.flavour for one in decisions if one.fault}:
        count = deaths[name, False].count + 1 if (name, False) in deaths else 1
        deaths[name, False] = Deaths(flavour=name, count=count, reason="just now")
    return replace(seen, workers=tuple(workers.values()), flavour_deaths=tuple(deaths.values()))


@st.composite
def flavours(draw: st.DrawFn) -> tuple[Flavour, ...]:
    """Some kinds of workers."""
    count = draw(st.sampled_from([2, 3, 1, 4]))
    return tuple(
        Flavour(
            name=f"f{number}",
            provider=draw(st.sampled_from(PROVIDERS)),
            cores=draw(st.sampled_from([4, 16, 7, 1])),
            memory=draw(st.sampled_from([8, 64, 1])) * GIB,
            disk=draw(st.sampled_from([0, 0, 10 * GIB])),
            gpus=draw(st.sampled_from([0, 0, 2])),
            minimum=draw(st.sampled_from([0, 0, 0, 2])),
            maximum=draw(st.sampled_from([12, 8, 30, 3, 0])),
            idle=draw(st.sampled_from([60.0, 300.0])),
        )
        for number in range(count)
    )


@st.composite
def pools(draw: st.DrawFn) -> PoolDescription:
    """Some pools."""
    budget = Budget(
        workers=draw(st.sampled_from([None, None, None, 0, 5, 20])),
        cores=draw(st.sampled_from([None, None, None, 0, 17, 60])),
        worker_hours=draw(st.sampled_from([None, None, None, 4.0, 6.0])),
        core_hours=draw(st.sampled_from([None, None, None, 10.0, 13.0])),
    )
    elasticity = Elasticity(step=draw(st.sampled_from([1, 5, 1000])))
    return PoolDescription(name="p", flavours=draw(flavours()), budget=budget, elasticity=elasticity)


def buckets(names: tuple[str, ...]) -> st.SearchStrategy[Bucket]:
    """Some kinds of jobs."""
    return st.builds(
        Bucket,
        cores=st.sampled_from([1, 1, 2, 3, 8, 32]),
        memory=st.sampled_from([0, GIB, 3 * GIB, 40 * GIB]),
        disk=st.sampled_from([0, 4 * GIB]),
        gpus=st.sampled_from([0, 0, 0, 1]),
        flavours=st.none() | st.frozensets(st.sampled_from(names)),
        count=st.integers(1, 40),
        waiting=st.floats(0, 5000),
        jobs=st.just(("1.0",)),
    )


@st.composite
def workers(draw: st.DrawFn, kinds: tuple[Flavour, ...]) -> tuple[Known, ...]:
    """Some workers, in every state, with what their states allow."""
    return tuple(_worker(draw, kinds, f"w{number}") for number in range(draw(st.integers(0, 12))))


def _worker(draw: st.DrawFn, kinds: tuple[Flavour, ...], name: str) -> Known:
    kind = draw(st.sampled_from(kinds))
    phase = draw(st.sampled_from([one for one in Phase if one is not Phase.OVER]))
    inside = phase in {Phase.IDLE, Phase.BUSY, Phase.DRAINING}
    jobs = draw(st.integers(1, kind.cores)) if phase is Phase.BUSY else 0
    age = draw(st.sampled_from([5.0, 100.0, 1000.0, 50000.0]))
    return Known(
        worker=name,
        flavour=draw(st.sampled_from([kind.name] * 9 + ["gone"])),
        state=phase,
        age=age,
        since=min(age, draw(st.sampled_from([0.0, 30.0, 400.0, 5000.0]))),
        free_cores=kind.cores - jobs if inside else 0,
        free_memory=kind.memory - kind.memory * jobs // kind.cores if inside else 0,
        free_gpus=kind.gpus if inside and not jobs else 0,
        jobs=jobs,
        heard=draw(st.sampled_from([1.0, 20.0, 61.0, 1000.0])) if inside else None,
        failures=draw(st.sampled_from([0, 0, 0, 1, 3])),
        provider_state=draw(st.none() | st.sampled_from(State)),
        reason=draw(st.sampled_from(["", "no room"])),
    )


@st.composite
def scenes(draw: st.DrawFn) -> tuple[PoolDescription, Observation]:
    """A pool and what is seen of it."""
    description = draw(pools())
    names = tuple(one.name for one in description.flavours)
    seen = Observation(
        now=1e9,
        buckets=tuple(draw(st.lists(buckets(names), min_size=1, max_size=6))),
        workers=draw(workers(description.flavours)),
        troubles=tuple(
            Trouble(provider=name, failures=2, until=draw(st.sampled_from([-1.0, 30.0])), reason="quota")
            for name in draw(st.lists(st.sampled_from(PROVIDERS), unique=True))
        ),
        worker_hours=draw(st.sampled_from([0.0, 5.0])),
        core_hours=draw(st.sampled_from([0.0, 10.0])),
        flavour_deaths=tuple(
            Deaths(
                flavour=name,
                count=draw(st.integers(1, 9)),
                ago=draw(st.floats(0, 500)),
                reason="broken",
                joined=draw(st.booleans()),
            )
            for name in draw(st.lists(st.sampled_from(names), unique=True, max_size=1))
        ),
    )
    return description, seen


@dataclass
class Job:
    """A job of a simulated queue."""

    name: str
    cores: int
    seconds: float
    arrives: float
    started: float | None = None


@dataclass
class Node:
    """A worker of a simulated pool."""

    name: str
    flavour: Flavour
    asked: float
    boots: float
    changed: float = 0.0
    draining: bool = False
    jobs: list[Job] = field(default_factory=list)

    @property
    def free(self) -> int:
        """Cores without jobs."""
        return self.flavour.cores - sum(job.cores for job in self.jobs)


class World:
    """A pool in which time passes: jobs come and end, workers boot, and leave when they are idle."""

    def __init__(self, description: PoolDescription, jobs: Iterable[Job], boot: float = 60.0) -> None:
        self.pool, self.boot, self.now = description, boot, 0.0
        self.todo = sorted(jobs, key=lambda job: job.arrives)
        self.nodes: dict[str, Node] = {}
        self.done: list[str] = []
        self.launched, self.drained, self.most = 0, 0, 0

    def observe(self) -> Observation:
        """What the agent sees."""
        waiting: dict[int, list[Job]] = {}
        for job in self.todo:
            if job.arrives <= self.now:
                waiting.setdefault(job.cores, []).append(job)
        groups = [
            Bucket(cores=cores, count=len(jobs), waiting=self.now - jobs[0].arrives, jobs=(jobs[0].name,))
            for cores, jobs in sorted(waiting.items(), reverse=True)
        ]
        return Observation(
            now=self.now,
            buckets=tuple(groups),
            workers=tuple(self._known(node) for node in self.nodes.values()),
        )

    def _known(self, node: Node) -> Known:
        joined = self.now >= node.asked + node.boots
        phase = Phase.BOOTING if not joined else Phase.BUSY if node.jobs else Phase.IDLE
        phase = Phase.DRAINING if node.draining else phase
        return Known(
            worker=node.name,
            flavour=node.flavour.name,
            state=phase,
            since=self.now - max(node.changed, node.asked + node.boots if joined else node.asked),
            age=self.now - node.asked,
            free_cores=node.free if joined else 0,
            free_memory=node.flavour.memory,
            jobs=len(node.jobs),
            heard=1.0 if joined else None,
            provider_state=State.RUNNING,
        )

    def step(self, seconds: float = 10.0) -> tuple[Decision, ...]:
        """Let time pass, and the agent look once."""
        self.now += seconds
        self._end()
        self._match()
        decisions = decide(self.pool, self.observe())
        for one in decisions:
            self._carry_out(one)
        self.most = max(self.most, len(self.nodes))
        return decisions

    def _end(self) -> None:
        for node in list(self.nodes.values()):
            for job in list(node.jobs):
                if job.started is not None and self.now >= job.started + job.seconds:
                    node.jobs.remove(job)
                    node.changed = self.now
                    self.done.append(job.name)
            since = max(node.changed, node.asked + node.boots)
            if not node.jobs and (node.draining or self.now - since >= node.flavour.idle):
                del self.nodes[node.name]

    def _match(self) -> None:
        for job in [job for job in self.todo if job.arrives <= self.now]:
            for node in self.nodes.values():
                ready = self.now >= node.asked + node.boots and not node.draining
                if ready and node.free >= job.cores:
                    job.started = self.now
                    node.jobs.append(job)
                    node.changed = self.now
                    self.todo.remove(job)
                    break

    def _carry_out(self, one: Decision) -> None:
        if one.kind is Act.LAUNCH:
            for _ in range(one.count):
                self.launched += 1
                name = f"p-{one.flavour}-{self.launched:08x}"
                self.nodes[name] = Node(name, self.pool.flavour(one.flavour), self.now, self.boot)
        elif one.kind is Act.DRAIN:
            self.drained += 1
            self.nodes[one.worker].draining = True
        elif one.kind in {Act.TERMINATE, Act.FORGET}:
            del self.nodes[one.worker]
