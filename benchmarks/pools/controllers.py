"""Ways to decide how many workers there are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from benchmarks.pools.nodes import CORES, MOST, Node
from dodas.pool.agent.decide import decide
from dodas.pool.agent.demand import Act, Bucket, Known, Observation, Phase
from dodas.pool.description.model import Flavour, PoolDescription
from dodas.pool.providers.base import State

if TYPE_CHECKING:
    from benchmarks.pools.world import World

_GIB = 1 << 30


class Controller(Protocol):
    """Is asked every ten seconds.

    Attributes:
        idle: After how many seconds without jobs a worker leaves by itself.
        stays: Whether workers stay whatever happens, so that watching them further tells nothing.
    """

    idle: float
    stays: bool

    def act(self, world: World) -> None:
        """Start workers and drain some."""


class Ours:
    """What dodas decides, by its own function."""

    stays = False

    def __init__(self, idle: float) -> None:
        self.idle = idle
        self._pool = PoolDescription(
            name="bench",
            flavours=(
                Flavour(
                    name="node", provider="x", cores=CORES, memory=64 * _GIB, maximum=MOST, idle=self.idle
                ),
            ),
        )

    def act(self, world: World) -> None:
        """Carry out what is decided."""
        seen = Observation(now=world.now, buckets=self._buckets(world), workers=tuple(self._known(world)))
        for one in decide(self._pool, seen):
            if one.kind is Act.LAUNCH:
                for _ in range(one.count):
                    world.launch()
            elif one.kind in {Act.DRAIN, Act.TERMINATE}:
                world.drain(world.nodes[int(one.worker)])

    def _buckets(self, world: World) -> tuple[Bucket, ...]:
        return tuple(
            Bucket(cores=cores, count=len(jobs), waiting=world.now - jobs[0].ready, jobs=("1.0",))
            for cores, jobs in sorted(world.waiting.items(), reverse=True)
            if jobs
        )

    def _known(self, world: World) -> list[Known]:
        return [self._one(world, node) for node in world.nodes.values()]

    def _one(self, world: World, node: Node) -> Known:
        phase = Phase.IDLE if node.joined(world.now) else Phase.BOOTING
        phase = Phase.BUSY if node.running else phase
        phase = Phase.DRAINING if node.draining else phase
        joined = node.joined(world.now)
        return Known(
            worker=str(node.number),
            flavour="node",
            state=phase,
            since=world.now - node.idle_since if joined else world.now - node.asked,
            age=world.now - node.asked,
            free_cores=node.free if joined else 0,
            free_memory=64 * _GIB,
            jobs=node.running,
            heard=1.0 if joined else None,
            provider_state=State.RUNNING,
        )


class Linear:
    """By how busy the workers are, as COBalD and TARDIS do: demand goes up and down at a constant rate.

    Demand is in cores and is lowered while workers are on average less busy than the mark, and raised while
    they are more so; workers that come count as neither.  Every thirty seconds workers are started or drained
    to meet it.  It sees no queue, so one worker is always kept, without which it would see nothing.

    Args:
        rate: Cores per second.
        mark: Utilisation and allocation that are aimed at.
    """

    idle = float("inf")
    stays = False

    def __init__(self, rate: float, mark: float = 0.9) -> None:
        self._rate, self._mark, self._looks = rate, mark, 0
        self._demand = 0.0

    def act(self, world: World) -> None:
        """Change the demand, and every third time the workers."""
        self._looks += 1
        active = [node for node in world.nodes.values() if node.joined(world.now) and not node.draining]
        used = sum(1 - node.free / CORES for node in active) / len(active) if active else 1.0
        change = -1 if used < self._mark else 1 if used > self._mark else 0
        self._demand = min(MOST * CORES, max(CORES, self._demand + 10 * self._rate * change))
        if self._looks % 3 == 0:
            self._meet(world, active, round(self._demand / CORES))

    def _meet(self, world: World, active: Sequence[Node], wanted: int) -> None:
        there = [node for node in world.nodes.values() if not node.draining]
        for _ in range(min(wanted - len(there), world.room())):
            world.launch()
        surplus = max(0, len(there) - wanted)
        for node in sorted(active, key=lambda node: node.free, reverse=True)[:surplus]:
            world.drain(node)


class Fixed:
    """So many workers from the beginning until the last job has ended."""

    idle = float("inf")
    stays = True

    def __init__(self, count: int) -> None:
        self._count = count

    def act(self, world: World) -> None:
        """Start them, once."""
        while len(world.nodes) < self._count:
            world.launch()
