"""The event log that HTCondor writes for a run, read as it grows.

One file has the events of all jobs of a run, each ended by a line of three dots.  What is not complete is
left for the next time; the bindings' own reader loses such events.  The format is in HTCondor's manual,
"Job Event Log Codes".
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

_HEAD = re.compile(r"(\d{3}) \((\d+)\.(\d+)\.\d+\) (?:\S+ \S+ )?(.*)")
_END = b"\n...\n"
_PIECE = 1 << 22


class Kind(IntEnum):
    """The events that mean something to us, by HTCondor's numbers."""

    SUBMIT = 0
    EXECUTE = 1
    EXECUTABLE_ERROR = 2
    EVICTED = 4
    TERMINATED = 5
    SHADOW_EXCEPTION = 7
    NOTE = 8  # a generic event, which jobs themselves may write
    ABORTED = 9
    HELD = 12
    RELEASED = 13
    DISCONNECTED = 22
    RECONNECTED = 23
    RECONNECT_FAILED = 24
    TRANSFER = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class JobEvent:
    """What happened to a job.

    Attributes:
        kind: What.
        id: HTCondor's id of the job.
        title: The event's first line, without its date.
        lines: The others, without white space around them.
    """

    kind: Kind
    id: tuple[int, int]
    title: str = ""
    lines: tuple[str, ...] = ()

    @property
    def number(self) -> int | None:
        """Our number of a job that was submitted."""
        for line in self.lines:
            if found := re.fullmatch(r"dodas job (\d+)", line):
                return int(found[1])
        return None

    @property
    def node(self) -> str:
        """Name of the machine that the job started on, or its address."""
        for line in self.lines:
            if line.startswith("SlotName:"):
                return line.partition("@")[2].strip("@ ")
        return self.title.partition("host: ")[2]

    @property
    def exit_code(self) -> int | None:
        """Exit status of a job that ended by itself."""
        found = re.search(r"\(return value (-?\d+)\)", " ".join(self.lines[:1]))
        return int(found[1]) if found else None

    @property
    def hold_code(self) -> tuple[int, int]:
        """HTCondor's number for why a job is held, and that number's own."""
        for line in self.lines:
            found = re.fullmatch(r"Code (\d+) Subcode (-?\d+)", line)
            if found:
                return int(found[1]), int(found[2])
        return 0, 0

    @property
    def reason(self) -> str:
        """Why, as HTCondor says it."""
        figures = ("Code ", "(", "Usr ", "Partitionable ")
        said = [line for line in self.lines if line and not line.startswith(figures) and "  -  " not in line]
        return said[0] if said else self.title

    @property
    def requeued(self) -> bool:
        """Whether an evicted job had ended, and goes back into the queue for that."""
        return any("terminated and was requeued" in line.lower() for line in (self.title, *self.lines))


class EventLog:
    """Reads the log at ``path``, which need not exist yet."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._offset = 0
        self._rest = b""

    def news(self) -> Iterator[JobEvent]:
        """Yield what was written since the last time.

        Raises:
            OSError: The file cannot be read.
        """
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return
        try:
            while piece := os.pread(descriptor, _PIECE, self._offset):
                self._offset += len(piece)
                *whole, self._rest = (self._rest + piece).split(_END)
                for text in whole:
                    event = parse(text.decode(errors="replace"))
                    if event is not None:
                        yield event
        finally:
            os.close(descriptor)


def parse(text: str) -> JobEvent | None:
    """Return the event that is written so, ``None`` for one that means nothing to us."""
    first, *lines = text.strip("\n").split("\n")
    head = _HEAD.fullmatch(first)
    if head is None or int(head[1]) not in _KINDS:
        return None
    return JobEvent(
        kind=Kind(int(head[1])),
        id=(int(head[2]), int(head[3])),
        title=head[4],
        lines=tuple(line.strip() for line in lines),
    )


_KINDS = frozenset(Kind)
