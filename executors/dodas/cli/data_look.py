"""`dodas data` stat, checksum and locate."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from dodas.backends.words import size
from dodas.cli.data_ends import Ends, as_failure
from dodas.cli.data_items import Refused, entry_fields, timestamp
from dodas.cli.data_same import digests
from dodas.cli.data_sources import named
from dodas.cli.data_storage import opened
from dodas.cli.tally import printable
from dodas.errors import DodasError, NotThere, TransferError
from dodas.staging import urls
from dodas.staging.checksums import canonical
from dodas.staging.values import Checksum, Entry, Replica

if TYPE_CHECKING:
    from dodas.staging.storage import Storage

Show = Callable[["Storage", Entry], None]


def stat(args: argparse.Namespace) -> int:
    """Show all that is known of files and directories."""

    def show(_: Storage, entry: Entry) -> None:
        print(json.dumps(entry_fields(entry)) if args.json else "\n".join(_described(entry)))

    return _all(args, show)


def checksum(args: argparse.Namespace) -> int:
    """Show the checksums of files, there and here."""
    algorithm = canonical(args.algorithm)

    def show(storage: Storage, entry: Entry) -> None:
        told = storage.checksum(entry.url, algorithm)
        if told is None or told.algorithm != algorithm:
            raise TransferError(
                f"the storage does not say the {algorithm} of {urls.redacted(entry.url)}",
                hint=f"it says {told}" if told else "fetch it and ask for the checksum of the file here",
            )
        _print_checksum(args, entry.url, told)

    ends = Ends()
    with opened(args) as storage:
        for name in args.names:
            if urls.is_url(name):
                _each(storage, [name], show, ends)
                continue
            try:
                _print_checksum(args, name, digests(name, [algorithm])[0])
            except OSError as error:
                ends.failed(as_failure(error))
    return ends.status()


def locate(args: argparse.Namespace) -> int:
    """Show where the copies of files are."""

    def show(storage: Storage, entry: Entry) -> None:
        copies = storage.locate(entry.url)
        if not copies:
            raise NotThere(f"no copy of {urls.redacted(entry.url)} is known")
        for copy in copies:
            print(json.dumps(_replica_fields(entry, copy)) if args.json else _replica(copy, long=args.long))

    return _all(args, show)


def _all(args: argparse.Namespace, show: Show) -> int:
    ends = Ends()
    with opened(args) as storage:
        _each(storage, args.urls, show, ends)
    return ends.status()


def _each(storage: Storage, words: list[str], show: Show, ends: Ends) -> None:
    for thing in named(storage, words):
        try:
            if isinstance(thing, Refused):
                raise thing.error
            show(storage, thing)
        except DodasError as error:
            ends.failed(error)


def _print_checksum(args: argparse.Namespace, name: str, one: Checksum) -> None:
    fields = {"name": name, "algorithm": one.algorithm, "value": one.value}
    print(json.dumps(fields) if args.json else f"{one}  {printable(urls.redacted(name))}")


def _described(entry: Entry) -> Iterator[str]:
    values: dict[str, Any] = {
        "url": urls.redacted(entry.url),
        "kind": "directory" if entry.is_directory else "file",
        "size": "" if entry.size is None else f"{entry.size} ({size(entry.size)})",
        "modified": "" if entry.modified is None else timestamp(entry.modified),
        "etag": entry.etag,
        "checksum": ", ".join(map(str, entry.checksums)),
    }
    for label, value in values.items():
        if value:
            yield f"{label + ':':10}{printable(value)}"


def _replica(copy: Replica, *, long: bool) -> str:
    url = printable(urls.redacted(copy.url))
    return f"{copy.priority:>6}  {printable(copy.location) or '-':8}  {url}" if long else url


def _replica_fields(entry: Entry, copy: Replica) -> dict[str, Any]:
    url = urls.redacted(copy.url)
    return {"file": entry.url, "url": url, "priority": copy.priority, "location": copy.location}
