"""A pool in which time passes in steps: jobs come and run, workers boot, take jobs and leave."""

from __future__ import annotations

import heapq
import math
import random
from collections import deque
from collections.abc import Sequence

from benchmarks.pools.controllers import Controller
from benchmarks.pools.nodes import CORES, MOST, Node
from benchmarks.pools.traces import Job

_STEP, _LOOK = 5.0, 10.0
_LONGEST = 10 * 86400.0
_AFTERWARDS = 3600.0  # how long a pool without jobs is watched


class World:
    """A pool, its queue, and what decides about it.

    Args:
        jobs: The queue.
        controller: What decides.
        boot: Seconds that a worker takes to come, the median.

    Attributes:
        jobs: The queue.
        now: Seconds since the beginning.
        nodes: Workers that are there, or come.
        waiting: Jobs that wait, by their cores, those that ask for most first.
        paid: Core-seconds of all workers, from when they were asked for.
        started: How many workers were ever started.
        most: How many there were at once.
    """

    def __init__(self, jobs: Sequence[Job], controller: Controller, boot: float) -> None:
        self.jobs, self._controller, self._boot = jobs, controller, boot
        self.now, self.paid, self.started, self.most = 0.0, 0.0, 0, 0
        self.nodes: dict[int, Node] = {}
        self.waiting: dict[int, deque[Job]] = {
            cores: deque() for cores in sorted({job.cores for job in jobs}, reverse=True)
        }
        self._chance = random.Random(7)
        self._blocked: dict[int, int] = {}
        self._followers: dict[int, list[Job]] = {}
        self._arrivals: list[tuple[float, int, Job]] = []
        self._ends: list[tuple[float, int, Job, Node]] = []
        self._ended = self._starts = 0
        for number, job in enumerate(jobs):
            self._expect(number, job)

    def run(self) -> None:
        """Let time pass until all jobs have ended and the workers have left, or would never."""
        finished = math.inf
        while self.now < _LONGEST and (self._ended < len(self.jobs) or self.nodes):
            self._arrive()
            self._end()
            self._place()
            if self.now % _LOOK == 0:
                self._controller.act(self)
            self._leave()
            self.most = max(self.most, len(self.nodes))
            self.paid += len(self.nodes) * CORES * _STEP
            self.now += _STEP
            if self._ended == len(self.jobs):
                finished = min(finished, self.now)
                if self.now - finished > _AFTERWARDS or self._controller.stays:
                    return

    def room(self) -> int:
        """Return how many more workers there may be."""
        return MOST - len(self.nodes)

    def launch(self) -> None:
        """Start a worker."""
        boots = self._boot * self._chance.lognormvariate(0, 0.4)
        self.nodes[self.started] = Node(self.started, self.now, boots, self.now + boots)
        self.started += 1

    def drain(self, node: Node) -> None:
        """Give a worker no more jobs; it leaves when those that it has are done."""
        node.draining = True

    def _expect(self, number: int, job: Job) -> None:
        if job.after:
            self._blocked[id(job)] = len(job.after)
            for other in job.after:
                self._followers.setdefault(id(other), []).append(job)
        else:
            heapq.heappush(self._arrivals, (job.arrives, number, job))

    def _arrive(self) -> None:
        while self._arrivals and self._arrivals[0][0] <= self.now:
            when, _, job = heapq.heappop(self._arrivals)
            job.ready = when
            self.waiting[job.cores].append(job)

    def _end(self) -> None:
        while self._ends and self._ends[0][0] <= self.now:
            when, _, job, node = heapq.heappop(self._ends)
            node.free += job.cores
            node.running -= 1
            node.idle_since = when
            self._ended += 1
            for follower in self._followers.get(id(job), ()):
                self._blocked[id(follower)] -= 1
                if self._blocked[id(follower)] == 0:
                    follower.ready = when
                    self.waiting[follower.cores].append(follower)

    def _place(self) -> None:
        """Give jobs to workers, the fullest first, so that the others may leave."""
        ready = [node for node in self.nodes.values() if node.free and self._takes(node)]
        ready.sort(key=lambda node: (node.free, node.number))
        for cores, jobs in self.waiting.items():
            for node in ready:
                while jobs and node.free >= cores:
                    self._start(jobs.popleft(), node)

    def _takes(self, node: Node) -> bool:
        return not node.draining and node.joined(self.now)

    def _start(self, job: Job, node: Node) -> None:
        job.started = max(self.now, job.ready)
        node.free -= job.cores
        node.running += 1
        self._starts += 1
        heapq.heappush(self._ends, (job.started + job.seconds, self._starts, job, node))

    def _leave(self) -> None:
        idle = self._controller.idle
        for node in list(self.nodes.values()):
            if node.running or not (node.draining or self.now - node.idle_since >= idle):
                continue
            if node.joined(self.now) or node.draining:
                del self.nodes[node.number]
