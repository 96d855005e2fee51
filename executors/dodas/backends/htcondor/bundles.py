"""Which steps share a job: short ones of one kind do, because a job costs seconds that a step does not need.

How long steps of a kind take is learnt from the first ones.  Until then they share jobs evenly, and a node
gives back what it has not begun when the time of a job is up: so short steps lose nothing, and long ones do
not wait for each other.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from dodas.step import Step

Size = int | Literal["auto"]
Thing = TypeVar("Thing")

_TARGET = 30.0  # seconds that a bundle should take
_LARGEST = 1000
_FIRST = 10.0  # seconds after which steps of an unknown kind are given back
_LATER = 2 * _TARGET  # seconds after which others are
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
            so_far = kind.mean * weight if kind.mean is not None and weight else 0.0
            kind.mean = (so_far + seconds + _OVERHEAD) / (weight + 1)
            kind.known += 1

    def guess(self, key: str, seconds: float) -> None:
        """Take an estimate of how long a step of a kind takes, until something better is known."""
        kind = self._kinds.get(key)
        if kind is not None and not kind.known:
            kind.mean = seconds

    def ready(self) -> Iterator[tuple[str, list[Step]]]:
        """Yield the jobs to send now: kind, steps."""
        for key, kind in self._kinds.items():
            waiting, kind.waiting = list(kind.waiting.values()), {}
            for steps in self.split(key, waiting):
                for step in steps:
                    self._where.pop(step.id, None)
                yield key, steps

    def split(self, key: str, things: Iterable[Thing]) -> Iterator[list[Thing]]:
        """Yield steps of a kind, or what stands for them, as they should share jobs."""
        left = list(things)
        size = self._fitting(self._kinds.get(key, _Kind()), len(left))
        yield from (left[begin : begin + size] for begin in range(0, len(left), size))

    def patience(self, key: str) -> float | None:
        """Return the seconds after which a job gives back those of its steps that it has not begun."""
        if self._size != "auto":
            return None
        kind = self._kinds.get(key)
        return _FIRST if kind is None or kind.mean is None else _LATER

    def _fitting(self, kind: _Kind, count: int) -> int:
        """Return how many of so many steps share a job."""
        if self._size != "auto":
            return self._size
        share = math.ceil(count / max(1, int(self._cores / kind.cores)))
        longest = _LARGEST if kind.mean is None else int(_TARGET / max(kind.mean, _OVERHEAD))
        return max(1, min(share, longest))
