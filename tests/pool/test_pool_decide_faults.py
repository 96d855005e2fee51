"""The agent's decisions and memory together, in a world where everything fails now and then."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from dodas.pool.agent.decide import decide
from dodas.pool.agent.demand import Act, Bucket, Decision, Observation
from dodas.pool.agent.limits import after
from dodas.pool.agent.observe import Machine
from dodas.pool.agent.registry import Registry
from dodas.pool.agent.supply import known
from dodas.pool.providers.base import Seen, State, prefix
from pool_world import GIB, flavour, pool

MOST, JOBS, CORES = 6, 80, 4
POOL = pool(flavour(maximum=MOST, idle=60.0), boot=200.0, young=60.0, step=4)


class Crash(Exception):
    """The agent was killed."""


class ProviderDown(Exception):
    """The provider does not answer."""


@dataclass
class Node:
    """A worker at the provider."""

    boots: float
    asked: float
    deaf: bool = False  # never joins, or has fallen silent
    gone: bool = False
    leaving: bool = False
    heard: float = -1.0
    idle: float = 0.0
    jobs: int = 0
    ends: float = 0.0


class Place:
    """A provider, its nodes, and the jobs that run on them."""

    def __init__(self, chance: random.Random, *, faulty: bool = True) -> None:
        self.chance, self.now, self.faulty = chance, 1000.0, faulty
        self.nodes: dict[str, Node] = {}
        self.waiting, self.done, self.most, self.launched = JOBS, 0, 0, 0

    @property
    def alive(self) -> dict[str, Node]:
        return {name: node for name, node in self.nodes.items() if not node.gone}

    def fails(self, part: float) -> bool:
        """Whether something goes wrong that does so in this part of all cases."""
        return self.faulty and self.chance.random() < part

    def answer(self) -> None:
        if self.fails(0.05):
            raise ProviderDown

    def launch(self, names: list[str]) -> None:
        for name in names:
            self.answer()  # some may have been asked for all the same
            deaf = self.fails(0.15)
            self.nodes[name] = Node(boots=self.chance.uniform(5, 60), asked=self.now, deaf=deaf)
            self.launched += 1
        self.most = max(self.most, len(self.alive))

    def list(self) -> list[Seen]:
        self.answer()
        return [
            Seen(worker=name, state=State.ENDED if node.gone else State.RUNNING)
            for name, node in self.nodes.items()
        ]

    def machines(self) -> Iterator[Machine]:
        for name, node in self.nodes.items():
            if node.heard >= 0 and not (node.gone and self.now - node.heard > 60):
                yield Machine(
                    worker=name,
                    flavour="small",
                    free_cores=CORES - node.jobs,
                    free_memory=8 * GIB,
                    free_disk=GIB,
                    free_gpus=0,
                    jobs=node.jobs,
                    heard=self.now - node.heard,
                    leaving=node.leaving,
                )

    def kill(self, node: Node) -> None:
        node.gone, self.waiting, node.jobs = True, self.waiting + node.jobs, 0

    def live(self) -> None:
        """Let ten seconds pass."""
        self.now += 10
        for node in self.alive.values():
            if node.deaf or self.now < node.asked + node.boots:
                continue
            node.heard = self.now
            node.idle = node.idle or self.now
            self._work(node)
            if self.fails(0.004):
                node.deaf = True  # killed with -9: its jobs come back when it is given up
            elif self.fails(0.004):
                self.kill(node)
            elif not node.jobs and (node.leaving or self.now - node.idle >= 60):
                node.gone = True

    def _work(self, node: Node) -> None:
        if node.jobs and self.now >= node.ends:
            self.done, node.jobs, node.idle = self.done + node.jobs, 0, self.now
        if not node.jobs and not node.leaving and self.waiting:
            node.jobs = min(CORES, self.waiting)
            self.waiting -= node.jobs
            node.ends = self.now + self.chance.uniform(30, 200)


class Agent:
    """What the real loop does, and may be killed at every step of."""

    def __init__(self, place: Place, path: str) -> None:
        self.place, self.path = place, path

    @contextmanager
    def memory(self) -> Iterator[Registry]:
        if self.place.fails(0.01) and os.path.exists(self.path):
            for end in ("", "-wal", "-shm"):
                Path(self.path + end).unlink(missing_ok=True)
        with Registry(self.path) as registry:
            yield registry

    def danger(self) -> None:
        if self.place.fails(0.1):
            raise Crash

    def look(self) -> None:
        now = self.place.now
        with self.memory() as registry:
            listing = self.listing(registry)
            workers = known(
                POOL,
                registry.workers(),
                listings={"slurm": listing},
                machines=list(self.place.machines()),
                now=now,
            )
            registry.see(POOL, workers, now, listing or ())
            jobs = self.place.waiting
            seen = Observation(
                now=now,
                buckets=(Bucket(count=jobs, waiting=9e9, jobs=("1.0",)),) if jobs else (),
                workers=workers,
                troubles=registry.troubles(now),
                flavour_deaths=registry.deaths(now),
            )
            decisions = decide(POOL, seen)
            registry.apply(decisions, now)
            for one in decisions:
                self.danger()
                self.do(registry, one)

    def listing(self, registry: Registry) -> list[Seen] | None:
        try:
            return self.place.list()
        except ProviderDown:
            self.failed(registry)
            return None

    def failed(self, registry: Registry) -> None:
        failures = sum(one.failures for one in registry.troubles(self.place.now)) + 1
        registry.trouble(after("it does not answer", POOL, "slurm", failures, None), self.place.now)

    def do(self, registry: Registry, one: Decision) -> None:
        try:
            if one.kind is Act.LAUNCH:
                digits = [f"{self.place.chance.getrandbits(32):08x}" for _ in range(one.count)]
                names = [prefix("p", "small") + each for each in digits]
                registry.ask(names, flavour="small", provider="slurm", now=self.place.now)
                self.danger()
                self.place.launch(names)
                registry.healthy("slurm")
            elif one.kind is Act.DRAIN and one.worker in self.place.nodes:
                self.place.answer()
                self.place.nodes[one.worker].leaving = True
            elif one.kind is Act.TERMINATE and one.worker in self.place.alive:
                self.place.answer()
                self.place.kill(self.place.nodes[one.worker])
        except ProviderDown:
            self.failed(registry)


@pytest.mark.parametrize("seed", range(6))
def test_all_jobs_run_no_maximum_is_broken_and_nothing_is_left(tmp_path: Path, seed: int) -> None:
    place = Place(random.Random(seed))
    agent = Agent(place, str(tmp_path / "agent.sqlite"))
    crashes = 0
    for _ in range(3000):
        place.live()
        try:
            agent.look()
        except Crash:
            crashes += 1
        if place.done == JOBS and not place.alive:
            break
    assert place.done == JOBS
    assert not place.alive
    assert place.most <= MOST
    assert place.launched < 60  # twenty would do if nothing failed
    assert crashes


def test_a_place_where_every_worker_dies_costs_little(tmp_path: Path) -> None:
    place = Place(random.Random(1), faulty=False)
    agent = Agent(place, str(tmp_path / "agent.sqlite"))
    for _ in range(720):  # two hours
        place.live()
        agent.look()
        for node in place.alive.values():
            node.gone = True  # before it has joined
    assert place.launched <= 2 * 4 + 14  # two looks, and then one at a time, less and less often
    with Registry(agent.path) as registry:
        (deaths,) = registry.deaths(place.now)
    assert deaths.reason == "slurm says that it ended"
    assert replace(deaths, ago=0.0, reason="").count >= 8
