"""Shows transfers: a picture on a terminal, a line for each file elsewhere, JSON for scripts, a summary."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from dodas.backends.words import duration, size
from dodas.cli.data_board import Board
from dodas.cli.data_ends import Ends, complain
from dodas.cli.data_items import Moved, Refused, Transfer, failure_fields, moved_fields
from dodas.cli.tally import printable
from dodas.errors import DodasError
from dodas.staging.values import Verified

Say = Callable[[str], None]


@contextmanager
def shown(board: Board, args: argparse.Namespace) -> Iterator[Show]:
    """Show the transfers of a command for as long as the context lasts.

    Progress is written to standard error; only JSON goes to standard output.
    """
    out = sys.stderr
    moving = out.isatty() and not args.quiet and not (args.json and sys.stdout.isatty())
    try:
        with _picture(board, out) if moving else _plain() as say:
            show = Show(board, say, lines=not args.quiet and not moving, as_json=args.json)
            yield show
        if moving and board.expected == 1 and show.last:
            complain(show.last)
    finally:
        if not args.quiet and board.expected > 1:
            complain(summary(board))


class Show:
    """Tells what came of each file.

    Attributes:
        ends: The failures among them.
        last: The line on the last one that went well.
    """

    def __init__(self, board: Board, say: Say, *, lines: bool, as_json: bool) -> None:
        self.ends = Ends(say)
        self.last = ""
        self._board = board
        self._say = say
        self._lines = lines
        self._json = as_json

    def done(self, item: Transfer, moved: Moved, seconds: float) -> None:
        """Tell of a file that is where it should be."""
        self._board.count(moved.size, same=moved.same, verified=moved.verified)
        if self._json:
            print(json.dumps(moved_fields(item, moved)), flush=True)
        took = "" if moved.same else f"{duration(seconds)}, "
        self.last = f"{printable(item.target)}  {size(moved.size)}, {took}{compared(moved)}"
        if self._lines:
            self._say(f"{time.strftime('%H:%M:%S')} done      {self.last}")

    def failed(self, item: Transfer | Refused, error: DodasError) -> None:
        """Tell of something that failed."""
        self._board.count_failure()
        if self._json:
            target = item.target if isinstance(item, Transfer) else ""
            print(json.dumps(failure_fields(item.source, target, error)), flush=True)
        self.ends.failed(error)


def compared(moved: Moved) -> str:
    """Return in words what is known of a file."""
    if moved.same:
        return "was there" if moved.verified is Verified.CHECKSUM else "was there, of the same size"
    if moved.verified is Verified.CHECKSUM:
        names = {one.algorithm for one in moved.checksums}
        return f"{', '.join(sorted(names)) or 'checksum'} compared"
    return "only its size compared" if moved.verified is Verified.SIZE else "nothing to compare it with"


def summary(board: Board) -> str:
    """Return one line on all transfers of a command."""
    seconds = max(time.monotonic() - board.began, 0.001)
    good = board.over - board.failed
    parts = [f"{_files(good)}, {size(board.moved)} in {duration(seconds)} ({size(board.moved / seconds)}/s)"]
    left = board.expected - board.over
    for count, what in (
        (board.same, "there already"),
        (board.by_size, "without a checksum to compare"),
        (board.failed, "failed"),
        (left, "not done; the same command goes on"),
    ):
        if count > 0:
            parts.append(f"{count} {what}")
    return "; ".join(parts)


def _files(count: int) -> str:
    return f"{count} file{'' if count == 1 else 's'}"


@contextmanager
def _plain() -> Iterator[Say]:
    yield complain


@contextmanager
def _picture(board: Board, out: TextIO) -> Iterator[Say]:
    from dodas.cli.data_screen import screen  # rich takes 50 ms to import

    with screen(board, out) as say:
        yield say
