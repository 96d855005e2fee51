"""What is known of a run while it goes on, from its events; no output."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from dodas.backend import Event, Finished, Preparing, Started
from dodas.step import Failure, Result, Step

_RECENT = 200  # finished steps, and failed ones, kept for a screen to show


class Stage(Enum):
    """What a step is doing, as people call it."""

    WAITING = "waiting"
    PREPARING = "preparing"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(slots=True)
class Line:
    """One step as it is shown."""

    name: str
    stage: Stage = Stage.WAITING
    since: float = 0.0
    note: str = ""
    wall: float = 0.0


@dataclass(slots=True)
class Tally:
    """The state of all steps; finished ones are only counted, apart from the last few and the failed.

    Attributes:
        clock: Seconds that only grow.
        total: Steps expected; ``None`` when not known.
    """

    clock: Callable[[], float] = time.monotonic
    total: int | None = None
    began: float = 0.0
    open: dict[str, Line] = field(default_factory=dict)
    running: dict[str, Line] = field(default_factory=dict)  # those of ``open`` that run, the eldest first
    preparing: dict[str, Line] = field(default_factory=dict)
    recent: deque[Line] = field(default_factory=lambda: deque(maxlen=_RECENT))
    broken: deque[Line] = field(default_factory=lambda: deque(maxlen=_RECENT))  # the failed among those over
    counts: dict[Stage, int] = field(default_factory=lambda: dict.fromkeys(Stage, 0))
    failed: list[tuple[str, Result]] = field(default_factory=list)
    cpu: float = 0.0
    peak_memory: int = 0

    def __post_init__(self) -> None:
        self.began = self.clock()

    def expect(self, step: Step) -> None:
        """Learn the name of a step."""
        self._line(step.id).name = printable(step.name)

    def see(self, event: Event) -> Line:
        """Take an event and return the line of its step."""
        line = self._line(event.step)
        if isinstance(event, Preparing):
            line.note = printable(event.what)
            self._move(event.step, line, Stage.PREPARING)
        elif isinstance(event, Started):
            line.note = ""
            self._move(event.step, line, Stage.RUNNING)
        elif isinstance(event, Finished):
            self._finish(event.step, line, event.result)
        return line

    def waiting(self) -> int:
        """Return how many steps wait, those not yet submitted included when their number is known."""
        submitted = self.counts[Stage.WAITING]
        return (
            submitted
            if self.total is None
            else max(submitted, self.total - self.finished() - self._under_way())
        )

    def finished(self) -> int:
        """Return how many steps are over."""
        return self.counts[Stage.DONE] + self.counts[Stage.FAILED] + self.counts[Stage.CANCELLED]

    def elapsed(self) -> float:
        """Return the seconds since the beginning."""
        return self.clock() - self.began

    def _under_way(self) -> int:
        return self.counts[Stage.RUNNING] + self.counts[Stage.PREPARING]

    def _line(self, step: str) -> Line:
        line = self.open.get(step)
        if line is None:
            line = self.open[step] = Line(printable(step), since=self.clock())
            self.counts[Stage.WAITING] += 1
        return line

    def _move(self, step: str, line: Line, stage: Stage) -> None:
        if line.stage is stage:
            return
        self.counts[line.stage] -= 1
        self.counts[stage] += 1
        for known, kind in ((self.preparing, Stage.PREPARING), (self.running, Stage.RUNNING)):
            if kind is stage:
                known[step] = line
            else:
                known.pop(step, None)
        line.stage, line.since = stage, self.clock()

    def _finish(self, step: str, line: Line, result: Result) -> None:
        cancelled = result.failure is Failure.CANCELLED
        stage = Stage.DONE if result.ok else Stage.CANCELLED if cancelled else Stage.FAILED
        self._move(step, line, stage)
        line.note, line.wall = printable(result.reason), result.usage.wall
        self.cpu += result.usage.cpu
        self.peak_memory = max(self.peak_memory, result.usage.peak_memory)
        if stage is Stage.FAILED:
            self.failed.append((line.name, result))
        del self.open[step]
        (self.broken if stage is Stage.FAILED else self.recent).append(line)


def printable(text: str) -> str:
    """Return text that a terminal shows as it is: control characters, and what is not UTF-8, escaped."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
