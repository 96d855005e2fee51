"""The run on a terminal: one line a step, as many as the terminal has room for, the rest as numbers."""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from rich.cells import cell_len, set_cell_size
from rich.console import Console, ConsoleDimensions, ConsoleOptions, RenderResult
from rich.live import Live
from rich.segment import Segment
from rich.style import Style

from dodas.backends.words import duration
from dodas.cli.tally import Line, Stage, Tally

_A_SECOND = 2
_MARK = {
    Stage.WAITING: ("·", Style(dim=True)),
    Stage.PREPARING: ("↓", Style(color="cyan")),
    Stage.RUNNING: ("▶", Style(color="blue")),
    Stage.DONE: ("✓", Style(color="green")),
    Stage.FAILED: ("✗", Style(color="red", bold=True)),
    Stage.CANCELLED: ("-", Style(color="yellow")),
}
_DIM, _PLAIN = Style(dim=True), Style()
_NAME = {Stage.WAITING: _DIM, Stage.FAILED: Style(color="red"), Stage.RUNNING: Style(bold=True)}
_AROUND = 3  # lines that are not steps: numbers, what is hidden, the cursor
_TIME = 11  # columns


@contextmanager
def screen(tally: Tally, mutex: threading.Lock, out: TextIO) -> Iterator[None]:
    """Keep a picture of ``tally`` on the terminal ``out``; ``mutex`` is held while it is looked at."""
    console = Terminal(file=out, highlight=False)
    picture = Picture(tally, mutex)
    with Live(picture, console=console, refresh_per_second=_A_SECOND, redirect_stdout=False) as live:
        try:
            yield
        finally:
            picture.last = True
            live.refresh()


class Terminal(Console):
    """A console as large as its own file; rich asks the standard streams instead, which may be others."""

    @property
    def size(self) -> ConsoleDimensions:
        """Columns and lines now."""
        try:
            return ConsoleDimensions(*os.get_terminal_size(self.file.fileno()))
        except OSError:
            return super().size

    @size.setter
    def size(self, wanted: tuple[int, int]) -> None:
        """Do nothing: a terminal is as large as it is."""


class Picture:
    """Draws the tally when rich asks for it, so that an event itself costs nothing.

    Made of segments, not of rich's tables, which take a hundred times as long.
    """

    def __init__(self, tally: Tally, mutex: threading.Lock) -> None:
        self._tally = tally
        self._mutex = mutex
        self.last = False

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the numbers and as many steps as fit."""
        room = max(1, (options.height or console.height) - _AROUND)
        with self._mutex:
            chosen = choose(self._tally, room)
            hidden = len(self._tally.open) + self._tally.finished() - len(chosen)
            now = self._tally.clock()
            yield from _numbers(self._tally, options.max_width)
            for line in chosen:
                yield Segment.line()
                yield from _step(line, now, options.max_width)
        if hidden > 0 and not self.last:
            yield Segment.line()
            yield Segment(f"  … and {hidden} more", _DIM)
        yield Segment.line()


def choose(tally: Tally, room: int) -> list[Line]:
    """Return the lines most worth a look, at most ``room``: failed, running, preparing, next, just done."""
    failed = list(reversed(tally.broken))
    waiting = (line for line in tally.open.values() if line.stage is Stage.WAITING)
    order = itertools.chain(
        failed[: max(1, room // 3)],
        tally.running.values(),
        tally.preparing.values(),
        itertools.islice(waiting, max(1, room // 5)),
        reversed(tally.recent),
        waiting,
        failed[max(1, room // 3) :],
    )
    ranks = list(Stage)
    best = itertools.islice(order, room)
    return sorted(best, key=lambda line: (-ranks.index(line.stage), line.since))


def _numbers(tally: Tally, width: int) -> Iterator[Segment]:
    counts = {**tally.counts, Stage.WAITING: tally.waiting()}
    used = 0
    for stage, count in counts.items():
        if count or stage in (Stage.RUNNING, Stage.DONE):
            text = f"{count} {stage.value}  "
            used += len(text)
            yield Segment(text, _MARK[stage][1])
    bar = width - used - _TIME - 1
    if bar >= 10:
        over = bar * tally.finished() // max(1, sum(counts.values()))
        yield Segment("━" * over, _MARK[Stage.DONE][1])
        yield Segment("━" * (bar - over), _DIM)
        yield Segment(f" {_whole(tally.elapsed()):>{_TIME}}")


def _step(line: Line, now: float, width: int) -> Iterator[Segment]:
    mark, style = _MARK[line.stage]
    note = line.note or ("" if line.stage is Stage.DONE else line.stage.value)
    took = (
        _whole(now - line.since) if line.stage is Stage.RUNNING else duration(line.wall) if line.wall else ""
    )
    room = max(8, width - _TIME - 6)
    name_width = min(room, max(room * 3 // 5, room - cell_len(note)))
    yield Segment(f"{mark} ", style)
    yield Segment(_fit(line.name, name_width), _NAME.get(line.stage, _PLAIN))
    yield Segment("  " + _fit(note, room - name_width), _DIM)
    yield Segment(f" {took:>{_TIME}}")


def _fit(text: str, width: int) -> str:
    return set_cell_size(text, width) if cell_len(text) <= width else set_cell_size(text, width - 1) + "…"


def _whole(seconds: float) -> str:
    return f"{int(seconds)} s" if seconds < 60 else duration(seconds)
