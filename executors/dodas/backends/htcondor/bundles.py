"""Which steps share a job: short ones of one kind do, because a job costs seconds that a step does not need.

How long steps of a kind take is learnt from the first ones, which are sent alone.
"""

from __future__ import annotations

import hashlib
import itertools
import math
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from dodas.step import Step

Size = int | Literal["auto"]

_TARGET = 30.0  # seconds that a bundle should take
_LARGEST = 1000
_PROBES = 8  # steps sent alone to learn from, when there are more than fit in the pool
_PATIENCE = 15.0  # seconds that others wait for them
_OVERHEAD = 0.05  # seconds that a step takes beside its command
_HINT = 60.0  # seconds: a time limit below is taken as the time that the step will need
_NUMBER = re.compile(r"[\W\d_]+$")


def kind_of(step: Step) -> str:
    """Return what is the same for steps that may share a job."""
    what = (
        step.image,
        step.argv[:1],
        _NUMBER.sub("", step.name),
        step.resources,
        step.hints,
        step.network,
        step.as_root,
        step.entrypoint,
    )
    return hashlib.sha256(repr(what).encode(errors="surrogateescape")).hexdigest()[:16]


@dataclass(slots=True)
class _Kind:
    waiting: dict[str, Step] = field(default_factory=dict)
    cores: float = 1.0
    known: int = 0  # steps whose time is known
    mean: float | None = None  # seconds
    alone: int = 0  # jobs of one step that are under way
    since: float | None = None  # when the first of them was sent


class Bundles:
    """Keeps steps until it is known how to send them.

    Args:
        size: Steps in a job, or ``auto``.
        cores: Processors of the pool.
    """

    def __init__(self, size: Size, cores: int) -> None:
        self._size = size
        self._cores = cores
        self._kinds: dict[str, _Kind] = {}
        self._where: dict[str, str] = {}

    def add(self, step: Step) -> None:
        """Take a step."""
        key = kind_of(step) if self._size != 1 else ""
        kind = self._kinds.setdefault(key, _Kind(cores=step.resources.cores))
        if kind.mean is None and step.resources.walltime is not None:
            limit = step.resources.walltime.total_seconds()
            kind.mean = limit if limit <= _HINT else None
        kind.waiting[step.id] = step
        self._where[step.id] = key

    def withdraw(self, step: str) -> bool:
        """Forget a step; return whether it was here."""
        key = self._where.pop(step, None)
        return key is not None and self._kinds[key].waiting.pop(step, None) is not None

    def all(self) -> list[str]:
        """Return the ids of the steps that are here."""
        return list(self._where)

    def learn(self, key: str, seconds: float) -> None:
        """Learn how long a step of a kind took."""
        kind = self._kinds.get(key)
        if kind is not None:
            weight = min(kind.known, 50)
            kind.mean = ((kind.mean or 0.0) * weight + seconds + _OVERHEAD) / (weight + 1)
            kind.known += 1

    def over(self, key: str, steps: int) -> None:
        """Learn that a job of that many steps is over."""
        kind = self._kinds.get(key)
        if kind is not None and steps == 1:
            kind.alone -= 1

    def ready(self, now: float) -> Iterator[tuple[str, list[Step]]]:
        """Yield the jobs to send now: kind, steps."""
        for key, kind in self._kinds.items():
            for steps in self._chunks(kind, now):
                kind.alone += len(steps) == 1
                for step in steps:
                    self._where.pop(step.id, None)
                yield key, steps

    def due(self) -> float | None:
        """Return when steps that wait for others will have waited long enough."""
        times = [kind.since + _PATIENCE for kind in self._kinds.values() if kind.waiting and kind.since]
        return min(times, default=None)

    def _chunks(self, kind: _Kind, now: float) -> Iterator[list[Step]]:
        count, size = self._plan(kind, now)
        taken = deque(itertools.islice(kind.waiting.values(), count))
        while taken:
            chunk = [taken.popleft() for _ in range(min(size, len(taken)))]
            for step in chunk:
                del kind.waiting[step.id]
            yield chunk

    def _plan(self, kind: _Kind, now: float) -> tuple[int, int]:
        """Return how many steps are sent now, and how many of them share a job."""
        count = len(kind.waiting)
        if self._size != "auto":
            return count, self._size
        room = max(1, int(self._cores / kind.cores))
        if kind.mean is not None:
            fitting = min(_LARGEST, int(_TARGET / max(kind.mean, _OVERHEAD)))
            return count, max(1, min(fitting, math.ceil(count / room)))
        if kind.since is None or not kind.alone:
            kind.since = now
        elif now >= kind.since + _PATIENCE:
            return count, 1
        if count + kind.alone <= room:
            return count, 1
        return max(0, min(_PROBES, room) - kind.alone), 1
