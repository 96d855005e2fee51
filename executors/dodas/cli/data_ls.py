"""`dodas data ls`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from dodas.backends.words import size
from dodas.cli.data_ends import Ends
from dodas.cli.data_items import Refused, entry_fields, timestamp
from dodas.cli.data_sources import found, in_order, is_several, named, place_of
from dodas.cli.data_storage import opened
from dodas.cli.tally import printable
from dodas.errors import DodasError
from dodas.staging import urls
from dodas.staging.values import Entry

if TYPE_CHECKING:
    from dodas.staging.storage import Storage

_SIZE, _TIME = 10, 20  # columns of "1023 bytes" and of a time


def ls(args: argparse.Namespace) -> int:
    """List what is there."""
    ends = Ends()
    with opened(args) as storage:
        for word in args.urls:
            try:
                _show(storage, word, args, ends)
            except DodasError as error:
                ends.failed(error)
    return ends.status()


def _show(storage: Storage, word: str, args: argparse.Namespace, ends: Ends) -> None:
    several = is_several(storage, word)
    line = _json if args.json else _line(args, word, whole=several or len(args.urls) > 1)
    for thing in in_order(_listed(storage, word, args, several=several), _order):
        if isinstance(thing, Refused):
            ends.failed(thing.error)
        else:
            print(line(thing))


def _listed(
    storage: Storage, word: str, args: argparse.Namespace, *, several: bool
) -> Iterator[Entry | Refused]:
    """Yield what to show for one word: what is in a directory, but a pattern's matches themselves."""
    if args.recursive:
        yield from _below(storage, word, several=several)
        return
    for one in named(storage, [word]):
        if isinstance(one, Refused) or not one.is_directory or args.directory or several:
            yield one
        else:
            yield from _inside(storage, one)


def _below(storage: Storage, word: str, *, several: bool) -> Iterator[Entry | Refused]:
    top = urls.parse(word).as_directory
    for thing in found(storage, [word], recursive=True):
        if isinstance(thing, Refused):
            yield thing
        elif several or urls.parse(thing.entry.url) != top:
            yield thing.entry


def _inside(storage: Storage, directory: Entry) -> Iterator[Entry | Refused]:
    try:
        yield from storage.entries(directory.url)
    except DodasError as error:
        yield Refused(source=directory.url, error=error)


def _order(one: Entry | Refused) -> str:
    return "" if isinstance(one, Refused) else place_of(one)


def _json(entry: Entry) -> str:
    return json.dumps(entry_fields(entry))


def _line(args: argparse.Namespace, word: str, *, whole: bool) -> Callable[[Entry], str]:
    base = urls.parse(word).as_directory.path

    def line(entry: Entry) -> str:
        path = urls.parse(entry.url).path
        inside = path.startswith(base) and len(path) > len(base) and not whole and not args.directory
        name = urls.decoded(path[len(base) :]) if inside else urls.redacted(entry.url)
        return printable(name)

    def long_line(entry: Entry) -> str:
        bytes_there = "-" if entry.size is None else size(entry.size)
        time = "-" if entry.modified is None else timestamp(entry.modified)
        return f"{bytes_there:>{_SIZE}}  {time:<{_TIME}}  {line(entry)}"

    return long_line if args.long else line
