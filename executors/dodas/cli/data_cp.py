"""`dodas data cp`."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from dodas.cli.data_items import Moved, Refused, Transfer, stored
from dodas.cli.data_move import move
from dodas.cli.data_same import same_there
from dodas.cli.data_sources import Found, found, is_several
from dodas.cli.data_storage import opened
from dodas.cli.data_targets import Claims, below, directory_made, is_directory
from dodas.errors import AlreadyThere, SpecError, TransferError
from dodas.staging import urls
from dodas.staging.values import OnProgress

if TYPE_CHECKING:
    from dodas.staging.storage import Storage


def cp(args: argparse.Namespace) -> int:
    """Copy files from storage to storage."""
    for word in (*args.sources, args.url):
        if not urls.is_url(word):
            hint = "from and to this disk: dodas data get, dodas data put"
            raise SpecError(f"{word!r} is no URL of storage", hint=hint)
    target = urls.parse(args.url)
    for source in map(urls.parse, args.sources if args.recursive else ()):
        if target.as_directory.wire.startswith(source.as_directory.wire):
            raise SpecError(f"{source.redacted} cannot be copied into itself", hint="name another directory")
    with opened(args) as storage:
        several = args.recursive or len(args.sources) > 1 or is_several(storage, args.sources[0])
        into = several or is_directory(storage, target)
        items = planned(storage, found(storage, args.sources, recursive=args.recursive), target, into=into)
        copy = partial(_copy, storage, overwrite=args.overwrite, size_only=args.size_only)
        return move(items, copy, args)


def planned(
    storage: Storage, things: Iterable[Found | Refused], target: urls.Url, *, into: bool
) -> Iterator[Transfer | Refused]:
    """Yield what is to be brought where; makes directories on the way."""
    claims = Claims()
    for thing in things:
        if isinstance(thing, Refused):
            yield thing
            continue
        url = str(below(target, thing.names) if into else target)
        if thing.entry.is_directory:
            yield from directory_made(storage, thing.entry.url, url)
        elif problem := _problem(thing, url, claims):
            yield Refused(source=thing.entry.url, error=problem)
        else:
            yield Transfer(source=thing.entry.url, target=url, size=thing.entry.size, entry=thing.entry)


def _problem(thing: Found, url: str, claims: Claims) -> TransferError | None:
    if urls.parse(thing.entry.url).wire == urls.parse(url).wire:
        return TransferError(f"{urls.redacted(url)} would be copied to itself")
    return claims.take(thing.entry.url, url, thing.names)


def _copy(
    storage: Storage, item: Transfer, progress: OnProgress, *, overwrite: bool, size_only: bool
) -> Moved:
    try:
        return stored(storage.copy(item.source, item.target, overwrite=overwrite, progress=progress))
    except AlreadyThere:
        same = same_there(storage, item.entry or item.source, item.target, size_only=size_only)
        if same is None:
            raise
        return same
