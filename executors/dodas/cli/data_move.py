"""Moves files, many at once, and shows it."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing

from dodas.cli.data_board import Bar, Board
from dodas.cli.data_crew import Crew
from dodas.cli.data_items import Moved, Refused, Transfer
from dodas.cli.data_show import Show, shown
from dodas.errors import DodasError
from dodas.staging.values import OnProgress

_AHEAD = 10_000  # files known before they are begun, so that what is left can be told

Do = Callable[[Transfer, OnProgress], Moved]


def move(items: Iterable[Transfer | Refused], do: Do, args: argparse.Namespace) -> int:
    """Do ``do`` for all ``items``, ``args.jobs`` at once, and return the exit status."""
    board = Board()

    def one(item: Transfer) -> tuple[Moved, float]:
        bar = Bar(name=item.target, check=crew.check, total=item.size)
        board.begin(bar)
        try:
            return do(item, bar.move), time.monotonic() - bar.began
        finally:
            board.end(bar)

    crew = Crew(one, at_once=args.jobs, ahead=_AHEAD)
    with shown(board, args) as show, closing(crew.each(_looked_at(items, board, show))) as over:
        for item, result in over:
            if isinstance(result, DodasError):
                show.failed(item, result)
            else:
                show.done(item, *result)
    return show.ends.status()


def _looked_at(items: Iterable[Transfer | Refused], board: Board, show: Show) -> Iterator[Transfer]:
    for item in items:
        board.expect(item.size if isinstance(item, Transfer) else None)
        if isinstance(item, Refused):
            show.failed(item, item.error)
        else:
            yield item
    board.looking = False
