"""What dodas does here, as a command: ``get``, ``put``, ``get-many``, ``put-many``, ``list``."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from dodas.errors import DodasError
from dodas.staging.storage import Storage


def main(verb: str, *arguments: str) -> None:
    """Do it, with checksums on."""
    with Storage() as client:
        if verb == "get":
            client.download(arguments[0], arguments[1], overwrite=True)
        elif verb == "put":
            client.upload(arguments[0], arguments[1])
        elif verb == "get-many":
            client.download_many(_pairs(arguments[0]), _done)
        elif verb == "put-many":
            client.upload_many(_pairs(arguments[0]), _done)
        else:
            print(sum(1 for _ in client.entries(arguments[0])))


def _pairs(listing: str) -> Iterator[tuple[str, str]]:
    with open(listing, encoding="utf-8") as lines:
        for line in lines:
            source, target = line.split()
            yield source, target


def _done(source: str, target: str, outcome: object) -> None:
    if isinstance(outcome, DodasError):
        sys.exit(f"{source}: {outcome}")


if __name__ == "__main__":
    main(*sys.argv[1:])
