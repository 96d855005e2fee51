"""Which of the waiting steps may start: first come first served, small ones slip past, none starves.

Pure bookkeeping in whole numbers, so that a million fractions of a core add up exactly.  Waiting steps of
the same shape share a queue; choosing costs time in the number of shapes, not of steps.
"""

from __future__ import annotations

import heapq

from dodas.step import Resources
from dodas.values import dataclass

_MICRO = 1_000_000
_PATIENCE = 32  # starts that may pass the step that waits longest before room is kept for it
_DEPTH = 1000  # shapes looked at for one that fits


@dataclass(frozen=True, slots=True, order=True)
class Room:
    """An amount of everything that steps compete for: millionths of a core, bytes, GPUs."""

    cores: int = 0
    memory: int = 0
    gpus: int = 0

    @classmethod
    def of(cls, resources: Resources) -> Room:
        """Return what a step takes; a step without a memory limit takes no memory."""
        return cls(micro(resources.cores), resources.memory or 0, resources.gpus)

    def __add__(self, other: Room) -> Room:
        return Room(self.cores + other.cores, self.memory + other.memory, self.gpus + other.gpus)

    def __sub__(self, other: Room) -> Room:
        return Room(self.cores - other.cores, self.memory - other.memory, self.gpus - other.gpus)

    def holds(self, other: Room) -> bool:
        """Return whether ``other`` fits in."""
        return self.cores >= other.cores and self.memory >= other.memory and self.gpus >= other.gpus


def micro(cores: float) -> int:
    """Return cores in millionths, rounded down so that n n-ths of a core always fit in one."""
    return max(1, int(cores * _MICRO + 1e-3))


class Admission:
    """Keeps what is free and who waits.

    A step that others have passed :data:`_PATIENCE` times gets a reservation: from then on a younger step
    starts only if it fits *beside* it in the whole machine, so the room it needs comes free for certain.
    """

    def __init__(self, total: Room) -> None:
        self.total = total
        self.free = total
        self._shapes: dict[Room, list[tuple[int, str]]] = {}  # who waits, each a heap by age
        self._heads: list[tuple[int, Room]] = []  # heap: the eldest of each shape, and outdated ones
        self._waiting: set[str] = set()
        self._running: dict[str, Room] = {}
        self._eldest = -1  # the step that waits longest and does not fit
        self._passed = 0  # starts that passed it
        self._beside: set[str] = set()  # those of them that must leave it room
        self._spare = total  # what they may still take

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, key: str, age: int, room: Room) -> None:
        """Let ``key`` wait for ``room``; the smaller ``age`` came first."""
        self._waiting.add(key)
        shape = self._shapes.setdefault(room, [])
        heapq.heappush(shape, (age, key))
        if shape[0][0] == age:
            heapq.heappush(self._heads, (age, room))

    def withdraw(self, key: str) -> bool:
        """Let ``key`` wait no more; return whether it did."""
        waited = key in self._waiting
        self._waiting.discard(key)
        return waited

    def release(self, key: str) -> None:
        """Take back what ``key`` had; one that has nothing is fine."""
        room = self._running.pop(key, None)
        if room is None:
            return
        self.free += room
        if key in self._beside:
            self._beside.discard(key)
            self._spare += room

    def take(self) -> list[str]:
        """Return the steps that start now; what they take is theirs until :meth:`release`."""
        started: list[str] = []
        blocked: list[tuple[int, Room]] = []
        while self._heads and self.free.cores and len(blocked) < _DEPTH:
            age, room = heapq.heappop(self._heads)
            if not self._is_head(age, room):
                continue
            if not blocked and not self.free.holds(room):
                self._wait_for(age, room)
            if self._may_start(room, passing=bool(blocked)):
                started.append(self._start(room, passing=bool(blocked)))
            else:
                blocked.append((age, room))
        for head in blocked:
            heapq.heappush(self._heads, head)
        return started

    def _is_head(self, age: int, room: Room) -> bool:
        """Return whether the eldest of this shape is still that one; else see that the right one is known."""
        shape = self._shapes.get(room)
        if not shape or shape[0][0] != age:
            return False
        if shape[0][1] in self._waiting:
            return True
        heapq.heappop(shape)
        self._push_head(room)
        return False

    def _push_head(self, room: Room) -> None:
        shape = self._shapes[room]
        if shape:
            heapq.heappush(self._heads, (shape[0][0], room))
        else:
            del self._shapes[room]

    def _wait_for(self, age: int, room: Room) -> None:
        if age != self._eldest:
            self._eldest, self._passed = age, 0
            self._beside.clear()
            self._spare = self.total - room

    def _may_start(self, room: Room, *, passing: bool) -> bool:
        if not self.free.holds(room):
            return False
        return not passing or self._passed < _PATIENCE or self._spare.holds(room)

    def _start(self, room: Room, *, passing: bool) -> str:
        _, key = heapq.heappop(self._shapes[room])
        self._push_head(room)
        self._waiting.discard(key)
        self._running[key] = room
        self.free -= room
        if passing:
            self._passed += 1
        if passing and self._passed > _PATIENCE:
            self._beside.add(key)
            self._spare -= room
        return key
