"""`dodas image` push, and pull from storage."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from dodas.backends.words import size
from dodas.cli.progress_bar import progress_bars
from dodas.containers.progress import one_at_a_time
from dodas.containers.store import Store

if TYPE_CHECKING:
    from dodas.backends.shelf import Shelf
    from dodas.cli.image_shelve import Pushed
    from dodas.containers.image import Image
    from dodas.containers.progress import OnProgress
    from dodas.containers.reference import Reference


def push(args: argparse.Namespace) -> int:
    """Bring images from the store to storage."""
    from dodas.cli.image_shelve import push as push_one

    done = []
    with shelf_at(args, args.url) as shelf:
        for name in args.names:
            with progress_bars(quiet=args.quiet) as progress:
                one = push_one(Store(), shelf, name, one_at_a_time(progress))
            done.append(_fields(one, shelf))
            if not args.json:
                print(_sentence(one, shelf, quiet=args.quiet), flush=True)
    if args.json:
        print(json.dumps(done, indent=2))
    return 0


def pull_from(args: argparse.Namespace, reference: Reference, progress: OnProgress) -> Image:
    """Bring one image from the storage that the options name to the store."""
    from dodas.backends.shelf_pull import pull

    with shelf_at(args, args.source) as shelf:
        return pull(Store(), shelf, reference, platform=args.platform, progress=progress)


@contextmanager
def shelf_at(args: argparse.Namespace, url: str) -> Iterator[Shelf]:
    """Yield the images at a URL."""
    from dodas.backends.shelf import Shelf
    from dodas.cli.data_storage import opened

    with opened(args) as storage:
        yield Shelf(storage, url)


def _sentence(one: Pushed, shelf: Shelf, *, quiet: bool) -> str:
    if quiet:
        return one.name
    about = ", ".join(filter(None, (one.platform, size(one.size), f"{size(one.sent)} sent")))
    return f"{one.name}  {one.digest}  ({about}) is at {shelf.url}"


def _fields(one: Pushed, shelf: Shelf) -> dict[str, Any]:
    names = ("name", "digest", "platform", "size", "sent")
    return {**{name: getattr(one, name) for name in names}, "url": shelf.url}
