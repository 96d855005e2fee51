"""`dodas data` rm and mkdir."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator
from contextlib import closing

from dodas.cli.data_crew import Crew
from dodas.cli.data_ends import Ends
from dodas.cli.data_items import Refused, failure_fields
from dodas.cli.data_sources import named
from dodas.cli.data_storage import opened
from dodas.cli.tally import printable
from dodas.errors import DodasError, NotThere, SpecError, TransferError
from dodas.staging import urls
from dodas.staging.values import Entry


def rm(args: argparse.Namespace) -> int:
    """Remove files, and directories if asked to."""
    for word in args.urls:
        if urls.parse(word).path.strip("/") == "":
            raise SpecError(f"{word!r} is all of that storage", hint="name what is to go from it")
    tell = _Teller(args, "would remove" if args.dry_run else "removed")
    with opened(args) as storage:

        def one(entry: Entry) -> None:
            if entry.is_directory and not args.recursive:
                problem = f"{urls.redacted(entry.url)} is a directory"
                raise TransferError(problem, hint="give -r to remove all of it")
            if not args.dry_run:
                storage.remove(entry.url, recursive=args.recursive)

        crew = Crew(one, at_once=1 if args.dry_run else args.jobs)
        with closing(crew.each(tell.possible(named(storage, args.urls)))) as over:
            for entry, result in over:
                tell.over(entry.url, result)
    return tell.ends.status()


def mkdir(args: argparse.Namespace) -> int:
    """Make directories."""
    tell = _Teller(args, "made")
    with opened(args) as storage:
        for word in args.urls:
            try:
                storage.make_directory(word, parents=args.parents)
            except DodasError as error:
                tell.over(word, error)
            else:
                tell.over(word, None)
    return tell.ends.status()


class _Teller:
    """Tells of what was changed, and of what could not be."""

    def __init__(self, args: argparse.Namespace, verb: str) -> None:
        self.ends = Ends()
        self._verb = verb
        self._json = args.json
        self._forgiving = getattr(args, "force", False)

    def possible(self, things: Iterable[Entry | Refused]) -> Iterator[Entry]:
        """Yield what is there."""
        for thing in things:
            if isinstance(thing, Refused):
                self.over(thing.source, thing.error)
            else:
                yield thing

    def over(self, url: str, error: DodasError | None) -> None:
        """Tell of one of them."""
        if self._forgiving and isinstance(error, NotThere):
            return
        if self._json:
            done = {"source": url, "status": self._verb}
            print(json.dumps(failure_fields(url, "", error) if error else done), flush=True)
        elif error is None:
            print(f"{self._verb} {printable(urls.redacted(url))}", flush=True)
        if error is not None:
            self.ends.failed(error)
