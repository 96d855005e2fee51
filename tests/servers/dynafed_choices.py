"""Which endpoints a federation chooses, and what it prepares there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from servers.dynafed_catalogue import Item
from servers.endpoints import Endpoint

if TYPE_CHECKING:
    from servers.dynafed import Dynafed

_FIRST_MADE = 5
"""Dynafed makes directories whose URL, split at slashes, has more parts than this."""


def holders(federation: Dynafed, item: Item) -> Sequence[Endpoint]:
    """Return the endpoints that have a file and are believed to answer, the nearest first."""
    near = [*federation.behaviour.reads_from, *range(len(federation.endpoints))]
    there = set(item.holders) & federation.catalogue.online
    return [federation.endpoints[number] for number in dict.fromkeys(near) if number in there]


def writable(federation: Dynafed) -> Sequence[Endpoint]:
    """Return the endpoints that can be written, the nearest first."""
    order = federation.behaviour.writes_to
    numbers = range(len(federation.endpoints)) if order is None else order
    return [federation.endpoints[number] for number in numbers if number in federation.catalogue.online]


def size(federation: Dynafed, path: str, item: Item) -> int:
    """Return what the federation says of the size of a file."""
    return federation.behaviour.sizes.get(path, item.found.size)


def replica(federation: Dynafed, endpoint: Endpoint, path: str) -> str:
    """Return the URL of a path at an endpoint, signed if that is what the federation does."""
    signature = "?X-Amz-Expires=900&X-Amz-Signature=5ec4e7" if federation.behaviour.signed else ""
    return endpoint.url(path) + signature


def make_parents(endpoint: Endpoint, path: str) -> None:
    """Make the directories above a path as Dynafed does: those near the root of a site must be there."""
    parents = path.split("/")[:-1]
    for length in range(1, len(parents) + 1):
        url = endpoint.url("/".join(parents[:length]))
        if len(url.split("/")) > _FIRST_MADE:
            endpoint.ask("MKCOL", f"{url}/")
