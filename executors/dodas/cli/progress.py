"""Shows a run while it goes on: a screen on a terminal, lines of text otherwise, a summary at the end."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol, TextIO

from dodas.backend import Event, Finished, Preparing, Started
from dodas.backends.words import duration
from dodas.cli.summary import summary
from dodas.cli.tally import Line, Stage, Tally, printable
from dodas.step import Step

_EVERY = 15.0  # seconds between two lines on one thing that is prepared


class Show(Protocol):
    """What a front end tells of its run, from any thread; neither verb waits for a screen."""

    def expect(self, step: Step) -> None:
        """Learn of a step that is about to be submitted."""

    def __call__(self, event: Event) -> None:
        """Learn of an event of the backend."""


@contextmanager
def display(stream: TextIO | None = None, *, total: int | None = None, quiet: bool = False) -> Iterator[Show]:
    """Show a run on ``stream`` for as long as the context lasts.

    Args:
        stream: Where to; default standard error.  A screen of lines that change if it is a terminal.
        total: How many steps there will be; ``None`` when not known.
        quiet: Whether to say nothing but what failed, at the end.

    Yields:
        A callable that takes the backend's events, with ``expect(step)`` for steps about to be submitted.
    """
    out = sys.stderr if stream is None else stream
    tally = Tally(total=total)
    shown = _Shown(tally, _ignore if quiet or out.isatty() else _Lines(out).say)
    try:
        with _screen(shown, out, quiet):
            yield shown
    finally:
        if not quiet or tally.failed:
            for line in summary(tally):
                _write(out, line)


class _Shown:
    """Keeps the tally, under a lock, and passes on what changed."""

    def __init__(self, tally: Tally, say: Callable[[Event, Line], None]) -> None:
        self.tally = tally
        self.mutex = threading.Lock()
        self._say = say

    def expect(self, step: Step) -> None:
        with self.mutex:
            self.tally.expect(step)

    def __call__(self, event: Event) -> None:
        with self.mutex:
            line = self.tally.see(event)
            self._say(event, line)


class _Lines:
    """Writes one line for each thing that happened, for logs and pipes."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._noted: dict[str, float] = {}

    def say(self, event: Event, line: Line) -> None:
        text = self._text(event, line)
        if text:
            _write(self._out, f"{time.strftime('%H:%M:%S')} {text}")

    def _text(self, event: Event, line: Line) -> str:
        if isinstance(event, Finished):
            took = duration(line.wall)
            if line.stage is Stage.DONE:
                return f"done      {line.name}  {took}"
            return f"{line.stage.value:9} {line.name}  {took}: {line.note}"
        if isinstance(event, Started):
            away = event.node and event.node != os.uname().nodename
            return f"started   {line.name}" + (f" on {printable(event.node)}" if away else "")
        if isinstance(event, Preparing):
            return self._progress(line.note)
        return ""

    def _progress(self, note: str) -> str:
        """Say each thing that is worked on once, and again after a while, however many steps wait."""
        what, now = note.partition(":")[0], time.monotonic()
        if now - self._noted.get(what, -_EVERY) < _EVERY:
            return ""
        self._noted[what] = now
        return f"preparing {note}"


def _ignore(event: Event, line: Line) -> None:
    """Say nothing."""


def _screen(shown: _Shown, out: TextIO, quiet: bool) -> AbstractContextManager[object]:
    if quiet or not out.isatty():
        return _nothing()
    from dodas.cli.screen import screen

    return screen(shown.tally, shown.mutex, out)


@contextmanager
def _nothing() -> Iterator[None]:
    yield


def _write(out: TextIO, text: str) -> None:
    try:
        print(text, file=out, flush=True)
    except UnicodeEncodeError:
        print(text.encode("ascii", "backslashreplace").decode(), file=out, flush=True)
