"""`dodas data put`."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from dodas.cli.data_items import Moved, Refused, Transfer, stored
from dodas.cli.data_local import LocalFile, files
from dodas.cli.data_move import move
from dodas.cli.data_same import digests, same_there
from dodas.cli.data_storage import opened
from dodas.cli.data_targets import Claims, below, directory_made, is_directory
from dodas.errors import AlreadyThere, SpecError
from dodas.paths import scratch_dir
from dodas.staging import urls
from dodas.staging.checksums import parse as parse_checksum
from dodas.staging.values import Checksum, OnProgress

if TYPE_CHECKING:
    from dodas.staging.storage import Storage

_STREAM = "-"


def put(args: argparse.Namespace) -> int:
    """Store files."""
    target = urls.parse(args.url)
    wanted = tuple(map(parse_checksum, args.checksum))
    several = args.recursive or len(args.sources) > 1
    if several and (wanted or _STREAM in args.sources):
        what = "--checksum is" if wanted else "standard input is"
        raise SpecError(f"{what} for one file", hint="name one file, and leave out -r")
    with opened(args) as storage:
        store = partial(_store, storage, wanted, overwrite=args.overwrite, size_only=args.size_only)
        if args.sources == [_STREAM]:
            return _from_stream(store, target, args)
        into = several or is_directory(storage, target)
        found = files(args.sources, recursive=args.recursive)
        return move(planned(storage, found, target, into=into), store, args)


def planned(
    storage: Storage, found: Iterable[LocalFile | Refused], target: urls.Url, *, into: bool
) -> Iterator[Transfer | Refused]:
    """Yield what is to be brought where; makes directories that stay empty."""
    claims = Claims()
    for one in found:
        if isinstance(one, Refused):
            yield one
            continue
        url = str(below(target, one.names) if into else target)
        if one.size is None:
            yield from directory_made(storage, one.path, url)
        elif problem := claims.take(one.path, url, one.names):
            yield Refused(source=one.path, error=problem)
        else:
            yield Transfer(source=one.path, target=url, size=one.size)


def _store(
    storage: Storage,
    wanted: tuple[Checksum, ...],
    item: Transfer,
    progress: OnProgress,
    *,
    overwrite: bool,
    size_only: bool,
) -> Moved:
    try:
        return stored(
            storage.upload(item.source, item.target, overwrite=overwrite, checksums=wanted, progress=progress)
        )
    except AlreadyThere:
        same = same_there(storage, item.source, item.target, size_only=size_only)
        if same is None or not set(wanted) <= set(digests(item.source, [one.algorithm for one in wanted])):
            raise
        return same


def _from_stream(store: partial[Moved], target: urls.Url, args: argparse.Namespace) -> int:
    if target.path.endswith("/"):
        raise SpecError(f"{target.redacted} is a directory", hint="name the file that standard input becomes")
    # It has to be sent again if a server sends us on to another one, so it needs a place; one without a name
    # goes away with us in any case.
    with tempfile.TemporaryFile(prefix="dodas-put-", dir=scratch_dir()) as file:
        shutil.copyfileobj(sys.stdin.buffer, file, 1 << 20)
        file.flush()
        size = os.fstat(file.fileno()).st_size
        path = f"/proc/self/fd/{file.fileno()}"

        def store_it(item: Transfer, progress: OnProgress) -> Moved:
            return store(replace(item, source=path), progress)

        return move([Transfer(source=_STREAM, target=str(target), size=size)], store_it, args)
