"""`dodas data get`."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from dodas.cli.data_ends import as_failure
from dodas.cli.data_items import Moved, Refused, Transfer, received
from dodas.cli.data_move import move
from dodas.cli.data_same import same_here, whole_seconds
from dodas.cli.data_sources import Found, found, is_several
from dodas.cli.data_storage import opened
from dodas.cli.data_targets import Claims
from dodas.errors import AlreadyThere, SpecError
from dodas.paths import scratch_dir
from dodas.staging import urls
from dodas.staging.checksums import parse as parse_checksum
from dodas.staging.values import Checksum, Expected, OnProgress

if TYPE_CHECKING:
    from dodas.staging.storage import Storage

_STREAM = "-"


def get(args: argparse.Namespace) -> int:
    """Fetch files."""
    sources, target = split(args.words)
    wanted = tuple(map(parse_checksum, args.checksum))
    with opened(args) as storage:
        into = args.recursive or len(sources) > 1 or is_several(storage, sources[0])
        if into and (wanted or target == _STREAM):
            what = "--checksum is" if wanted else "standard output is"
            raise SpecError(f"{what} for one file", hint="name one URL, no pattern, and leave out -r")
        if target == _STREAM:
            return _to_stream(storage, sources[0], wanted, args)
        into = into or target.endswith("/") or os.path.isdir(target)
        # A URL may be signed for GET alone, and a server may know nothing else: the transfer will say.
        things = found(storage, sources, recursive=args.recursive, unseen=True)
        items = planned(things, target, into=into)
        fetch = partial(_fetch, storage, wanted, overwrite=args.overwrite, size_only=args.size_only)
        return move(items, fetch, args)


def split(words: Sequence[str]) -> tuple[list[str], str]:
    """Return the URLs to fetch, and where to: the last word if it is no URL."""
    *sources, target = words if not urls.is_url(words[-1]) else (*words, ".")
    if not sources:
        raise SpecError(f"{target!r} is no URL of storage", hint="name what to fetch: davs://host/path")
    for source in sources:
        urls.parse(source)
    return sources, target


def planned(things: Iterator[Found | Refused], target: str, *, into: bool) -> Iterator[Transfer | Refused]:
    """Yield what is to be brought where; makes directories on the way."""
    claims = Claims()
    for thing in things:
        if isinstance(thing, Refused):
            yield thing
            continue
        path = os.path.join("" if target == os.curdir else target, *thing.names) if into else target
        try:
            os.makedirs(path if thing.entry.is_directory else os.path.dirname(path) or ".", exist_ok=True)
        except OSError as error:
            yield Refused(source=thing.entry.url, error=as_failure(error))
            continue
        if thing.entry.is_directory:
            continue
        if problem := claims.take(thing.entry.url, path, thing.names):
            yield Refused(source=thing.entry.url, error=problem)
        else:
            yield Transfer(source=thing.entry.url, target=path, size=thing.entry.size, entry=thing.entry)


def _fetch(
    storage: Storage,
    wanted: tuple[Checksum, ...],
    item: Transfer,
    progress: OnProgress,
    *,
    overwrite: bool,
    size_only: bool,
) -> Moved:
    entry = item.entry or storage.stat(item.source)
    if not overwrite and os.path.lexists(item.target):
        same = same_here(storage, item.target, entry, wanted=wanted, size_only=size_only)
        if same is None:
            raise AlreadyThere(
                f"{item.target!r} is there, and is not {urls.redacted(item.source)}",
                hint="give --overwrite to replace what differs",
            )
        return same
    one = storage.download(
        item.source,
        item.target,
        expected=Expected(checksums=wanted),
        overwrite=overwrite,
        progress=progress,
        modified=None if entry.modified is None else whole_seconds(entry.modified),
    )
    return received(one)


def _to_stream(storage: Storage, url: str, wanted: tuple[Checksum, ...], args: argparse.Namespace) -> int:
    if args.json:
        raise SpecError("standard output cannot be for the file and for JSON", hint="leave out one of them")

    def fetch(item: Transfer, progress: OnProgress) -> Moved:
        with tempfile.TemporaryDirectory(prefix="dodas-get-", dir=scratch_dir()) as place:
            path = os.path.join(place, "file")
            expected = Expected(checksums=wanted)
            moved = received(storage.download(url, path, expected=expected, progress=progress))
            with open(path, "rb") as file:
                shutil.copyfileobj(file, sys.stdout.buffer, 1 << 20)
            sys.stdout.buffer.flush()
        return moved

    return move([Transfer(source=url, target=_STREAM)], fetch, args)
