"""Transfers on a terminal: all together, and each that is under way, for as many as there is room."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import TextIO

from rich.cells import cell_len, set_cell_size
from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.segment import Segment
from rich.style import Style
from rich.text import Text

from dodas.backends.words import duration, size
from dodas.cli.data_board import Bar, Board
from dodas.cli.screen import Terminal
from dodas.cli.tally import printable

_A_SECOND = 5
_DIM, _FULL = Style(dim=True), Style(color="green")
_AROUND = 3  # lines that are not transfers: all together, what is hidden, the cursor
_WIDE, _WIDEST = 72, 110  # columns, from which on there is room for all numbers, for the time left too
_SIZE, _AMOUNT = 10, 23  # columns of "1023 bytes", "1023 MiB of 1023.9 MiB"
_PACE, _LEFT = 10, 18  # columns of "1023 MiB/s", ", 23 min 59 s left"
_SHORTEST, _LONGEST = 6, 40  # columns of a bar


@contextmanager
def screen(board: Board, out: TextIO) -> Iterator[Callable[[str], None]]:
    """Keep a picture of ``board`` on the terminal ``out``; yield what prints a line above it."""
    console = Terminal(file=out, highlight=False)
    picture = Picture(board)

    def say(line: str) -> None:
        console.print(Text(line), soft_wrap=True)

    with Live(
        picture,
        console=console,
        refresh_per_second=_A_SECOND,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    ):
        yield say


class Picture:
    """Draws the board when rich asks for it, so that a block of bytes that arrives costs nothing."""

    def __init__(self, board: Board) -> None:
        self._board = board

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield a line on all transfers, if there are several, and one on each under way."""
        room = max(1, (options.height or console.height) - _AROUND)
        with self._board.mutex:
            bars, pace = list(islice(self._board.bars, room)), self._board.pace()
            hidden = len(self._board.bars) - len(bars)
            together = list(self._together(pace, options.max_width))
        alone = self._board.expected <= 1
        lines = [] if alone else [together]
        lines += [list(_transfer(bar, options.max_width, pace if alone else 0)) for bar in bars]
        if hidden > 0:
            lines.append([Segment(f"  … and {hidden} more", _DIM)])
        for line in lines:
            yield from line
            yield Segment.line()

    def _together(self, pace: float, width: int) -> Iterator[Segment]:
        board = self._board
        more = "+" if board.looking else ""
        passed, total = board.passed(), max(board.expected_bytes, board.passed())
        name = f"{board.over} of {board.expected}{more} files"
        amount = f"{size(passed)} of {size(total)}{more}"
        words = _pace(pace, 0 if board.looking else total - passed)
        yield from _line(name, passed, total, amount=amount, pace=words, width=width)


def _transfer(bar: Bar, width: int, pace: float) -> Iterator[Segment]:
    done, total = bar.done, bar.total
    amount = size(done) if total is None else f"{size(done)} of {size(total)}"
    words = _pace(pace, (total or 0) - done)
    yield from _line(printable(bar.name), done, total, amount=amount, pace=words, width=width)


def _line(
    name: str, done: int, total: int | None, *, amount: str, pace: str, width: int
) -> Iterator[Segment]:
    """Yield name, bar, amount and pace in columns; where there is no room, fewer of them."""
    if width < _WIDE:
        numbers = f"  {amount.partition(' of ')[0]:>{_SIZE}}"
    elif width < _WIDEST:
        numbers = f"  {amount:>{_AMOUNT}}  {pace.partition(',')[0]:<{_PACE}}"
    else:
        numbers = f"  {amount:>{_AMOUNT}}  {pace:<{_PACE + _LEFT}}"
    room = max(1, width - 1 - len(numbers))
    bar = min(room // 3, _LONGEST) if room >= 3 * _SHORTEST else 0
    yield Segment(_end_of(name, max(1, room - bar - 2)) + "  ")
    full = min(bar, bar * done // total) if total else 0
    yield Segment("━" * full, _FULL)
    yield Segment("━" * (bar - full), _DIM)
    yield Segment(numbers)


def _pace(pace: float, missing: int) -> str:
    if not pace:
        return ""
    left = f", {duration(missing / pace)} left" if pace > 1 and missing > 0 else ""
    return f"{size(pace)}/s{left}"


def _end_of(name: str, width: int) -> str:
    """Return a name as exactly ``width`` columns; of a long one its end, which tells it from others."""
    if cell_len(name) > width:
        name = name[-width:]
        while cell_len(name) > width - 1:
            name = name[1:]
        name = f"…{name}"
    return set_cell_size(name, width)
