"""How many jobs find room on the workers that there are: packing, in bulk.

Workers with the same room are one line with a count, so that thousands cost what a few do.  Partly filled
workers are used first, those with the least room before others; then whole ones, in the order in which they
will be there.  A worker that is launched for what finds no room comes last.  So what was asked for in one
look is, in the next, just what is needed (``docs/adr/0011-elasticity.md`` has the argument).
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from heapq import merge
from itertools import islice

from dodas.pool.agent.demand import Bucket

_QUANTUM = 128 << 20  # slots are cut in such pieces of memory (MODIFY_REQUEST_EXPR_REQUESTMEMORY)

Room = tuple[int, int, int, int]
"""Cores, memory, GPUs, disk that are free; what sorts less is fuller."""
Order = tuple[float, ...]
"""When a whole worker is used: those that sort less first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What one job takes from a worker."""

    cores: int
    memory: int
    gpus: int
    disk: int

    @classmethod
    def of(cls, bucket: Bucket) -> Ask:
        """Return what each job of a bucket takes."""
        return cls(cores=bucket.cores, memory=bucket.memory, gpus=bucket.gpus, disk=bucket.disk)

    def times(self, room: Room) -> int:
        """Return how many such jobs fit into a room."""
        cores, memory, gpus, disk = room
        if self.cores > cores or self.memory > memory or self.gpus > gpus or self.disk > disk:
            return 0
        most = cores // self.cores
        if self.memory:
            most = min(most, max(1, memory // _cut(self.memory)))
        if self.gpus:
            most = min(most, gpus // self.gpus)
        return min(most, disk // self.disk) if self.disk else most

    def rest(self, room: Room, jobs: int) -> Room:
        """Return what is left of a room with so many jobs in it."""
        cores, memory, gpus, disk = room
        left = max(0, memory - jobs * _cut(self.memory))
        return (cores - jobs * self.cores, left, gpus - jobs * self.gpus, disk - jobs * self.disk)


class Stock:
    """The free room of workers, which packing uses up."""

    def __init__(self) -> None:
        self._partial: dict[str, _Shelf] = {}
        self._whole: dict[str, _Row] = {}

    def add_partial(self, flavour: str, room: Room, count: int = 1) -> None:
        """Add workers that have jobs already."""
        if room[0] > 0 and count:
            self._partial.setdefault(flavour, _Shelf()).put(room, count)

    def add_whole(self, flavour: str, room: Room, order: Order, count: int = 1) -> None:
        """Add workers that have none."""
        self._whole.setdefault(flavour, _Row()).put((order, room), count)

    def whole_left(self, flavour: str) -> dict[Order, int]:
        """Return how many workers of a flavour got nothing, by their order."""
        left: dict[Order, int] = {}
        row = self._whole.get(flavour)
        for (order, _), count in row.counts.items() if row else ():
            left[order] = left.get(order, 0) + count
        return left

    def place(self, ask: Ask, jobs: int, flavours: Sequence[str]) -> int:
        """Find room for jobs on workers of some flavours, preferred first; return how many found none."""
        for flavour in flavours:
            shelf = self._partial.get(flavour)
            if shelf is not None and jobs:
                jobs = shelf.place(ask, jobs)
        if jobs:
            for (order, _, room), flavour in self._in_order(flavours):
                jobs = self._onto_whole(ask, jobs, flavour, (order, room))
                if not jobs:
                    break
        return jobs

    def _in_order(self, flavours: Sequence[str]) -> Iterator[tuple[tuple[Order, int, Room], str]]:
        """Yield groups of whole workers, as they are to be used."""
        rows = [
            _ranked(self._whole[flavour], rank, flavour)
            for rank, flavour in enumerate(flavours)
            if flavour in self._whole
        ]
        return rows[0] if len(rows) == 1 else merge(*rows)

    def _onto_whole(self, ask: Ask, jobs: int, flavour: str, key: tuple[Order, Room]) -> int:
        each = ask.times(key[1])
        if not each:
            return jobs
        used = self._whole[flavour].take(key, -(-jobs // each))
        placed = min(jobs, used * each)
        full, last = divmod(placed, each)
        self.add_partial(flavour, ask.rest(key[1], each), full)
        self.add_partial(flavour, ask.rest(key[1], last), 1 if last else 0)
        return jobs - placed


def _ranked(row: _Row, rank: int, flavour: str) -> Iterator[tuple[tuple[Order, int, Room], str]]:
    return (((order, rank, room), flavour) for order, room in row.left())


class _Row:
    """Whole workers of a flavour, in the order in which they are used."""

    def __init__(self) -> None:
        self.counts: dict[tuple[Order, Room], int] = {}
        self._keys: list[tuple[Order, Room]] = []  # sorted
        self._first = 0  # before it, all are used

    def put(self, key: tuple[Order, Room], count: int) -> None:
        if key not in self.counts:
            insort(self._keys, key)
        self._first = 0
        self.counts[key] = self.counts.get(key, 0) + count

    def left(self) -> Iterator[tuple[Order, Room]]:
        while self._first < len(self._keys) and not self.counts[self._keys[self._first]]:
            self._first += 1
        return (key for key in islice(self._keys, self._first, None) if self.counts[key])

    def take(self, key: tuple[Order, Room], count: int) -> int:
        used = min(self.counts[key], count)
        self.counts[key] -= used
        return used


class _Shelf:
    """Partly filled workers of a flavour, by free cores and then by free memory."""

    def __init__(self) -> None:
        self._rooms: dict[int, list[Room]] = {}  # sorted
        self._counts: dict[Room, int] = {}

    def put(self, room: Room, count: int) -> None:
        if room in self._counts:
            self._counts[room] += count
        else:
            self._counts[room] = count
            insort(self._rooms.setdefault(room[0], []), room)

    def place(self, ask: Ask, jobs: int) -> int:
        for cores in sorted(self._rooms):
            if cores >= ask.cores and jobs:
                jobs = self._place_at(cores, ask, jobs)
        return jobs

    def _place_at(self, cores: int, ask: Ask, jobs: int) -> int:
        rooms = self._rooms[cores]
        at = bisect_left(rooms, (cores, ask.memory, ask.gpus, 0))
        while jobs and at < len(rooms):
            room = rooms[at]
            each = ask.times(room)
            if not each:
                at += 1
                continue
            count = self._counts[room]
            used = min(count, -(-jobs // each))
            if used == count:
                del self._counts[room]
                rooms.pop(at)
            else:
                self._counts[room] = count - used
            placed = min(jobs, used * each)
            full, last = divmod(placed, each)
            self._return(ask.rest(room, each), full)
            self._return(ask.rest(room, last), 1 if last else 0)
            jobs -= placed
            if used < count:
                break
        return jobs

    def _return(self, room: Room, count: int) -> None:
        if count and room[0] > 0:
            self.put(room, count)


def _cut(memory: int) -> int:
    return -(-memory // _QUANTUM) * _QUANTUM
