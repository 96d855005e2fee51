"""All that is below a directory, with no more in memory than one way down."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from dodas.errors import TransferError
from dodas.staging import urls
from dodas.staging.listing import entries
from dodas.staging.urls import Url
from dodas.staging.values import Entry

if TYPE_CHECKING:
    from dodas.staging.exchange import Exchange

_DEEPEST = 100


def walk(exchange: Exchange, url: Url) -> Iterator[Entry]:
    """Yield all files and directories below ``url``, each directory before what is in it, without ``url``.

    URLs come from names only, and so lead downward always; a link of the server that leads back up looks like
    a tree without end, and is refused where no tree is as deep.

    Raises:
        TransferError: See `dodas.staging.listing.entries`; what was there before is yielded before.
    """
    way = [entries(exchange, url)]
    while way:
        entry = next(way[-1], None)
        if entry is None:
            way.pop()
            continue
        yield entry
        if entry.is_directory:
            if len(way) == _DEEPEST:
                raise TransferError(
                    f"{urls.redacted(entry.url)} is more than {_DEEPEST} directories below {url.redacted}",
                    hint="see whether a link on the storage leads back to a directory above it",
                )
            way.append(entries(exchange, urls.parse(entry.url)))
