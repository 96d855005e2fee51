"""How far transfers are: bars that move on a terminal, one line per finished thing elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from dodas.backends.words import duration, size
from dodas.cli.tally import printable
from dodas.containers.progress import OnProgress, Progress, ignore


@contextmanager
def progress_bars(*, quiet: bool = False, stream: TextIO | None = None) -> Iterator[OnProgress]:
    """Yield what to call with each word of progress; it writes to standard error, if not ``quiet``."""
    out = sys.stderr if stream is None else stream
    if quiet:
        yield ignore
    elif out.isatty():
        with _moving(out) as tell:
            yield tell
    else:
        yield _lines(out)


def _lines(out: TextIO) -> OnProgress:
    told: set[str] = set()

    def tell(word: Progress) -> None:
        if word.done == word.total and word.what not in told:
            told.add(word.what)
            print(f"{word.what}: {size(word.done)}", file=out, flush=True)

    return tell


@contextmanager
def _moving(out: TextIO) -> Iterator[OnProgress]:
    bars: list[_Bars] = []  # rich takes 50 ms to import: not before there is something to show

    def tell(word: Progress) -> None:
        if not bars:
            bars.append(_Bars(out))
        bars[0].tell(word)

    try:
        yield tell
    finally:
        for one in bars:
            one.close()


class _Bars:
    """Bars on a terminal, which go away at the end."""

    def __init__(self, out: TextIO) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, TaskID, TextColumn
        from rich.progress import Progress as Bars

        self._tasks: dict[str, TaskID] = {}
        self._bars = Bars(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[amount]}", justify="right", style="progress.download"),
            TextColumn("{task.fields[pace]}", justify="right", style="progress.data.speed"),
            console=Console(file=out),
            expand=True,
            transient=True,
        )
        self._bars.start()

    def tell(self, word: Progress) -> None:
        from rich.markup import escape

        if word.what not in self._tasks:
            text = escape(printable(word.what))
            self._tasks[word.what] = self._bars.add_task(text, total=word.total, amount="", pace="")
        number = self._tasks[word.what]
        self._bars.update(number, completed=word.done, total=word.total, amount=_amount(word))
        task = self._bars.tasks[self._bars.task_ids.index(number)]
        self._bars.update(number, pace=_pace(task.speed, task.time_remaining, task.finished))

    def close(self) -> None:
        self._bars.stop()


def _amount(word: Progress) -> str:
    if word.total is None:
        return size(word.done) if word.done else ""
    return size(word.done) if word.done == word.total else f"{size(word.done)} of {size(word.total)}"


def _pace(speed: float | None, remaining: float | None, finished: bool) -> str:
    if finished or not speed:
        return ""
    left = f", {duration(remaining)} left" if remaining is not None else ""
    return f"{size(speed)}/s{left}"
