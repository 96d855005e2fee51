"""What is on a storage: one thing, or the members of one directory.

A listing is read to its end before anything of it is given away.  So it is whole or an error, and no
connection waits while somebody works through it.
"""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus
from typing import TYPE_CHECKING

from dodas.errors import NotAllowed, NotThere, StorageUnreachable, TransferError
from dodas.staging.bodies import BytesBody
from dodas.staging.listing_one import looked_at
from dodas.staging.urls import Url, quoted
from dodas.staging.values import Entry

if TYPE_CHECKING:
    from dodas.staging.exchange import Exchange
    from dodas.staging.listing_spool import Spool
    from dodas.staging.multistatus import Resource
    from dodas.staging.response import Response

_ATTEMPTS = 3
_NOT_SPOKEN = (200, 400, 405, 406, 415, 501)  # to PROPFIND, by servers that have no WebDAV


def entries(exchange: Exchange, url: Url) -> Iterator[Entry]:
    """Yield the members of a directory, in the order of the server, without itself.

    Raises:
        NotThere: There is no such directory; there may be a file.
        Corrupt: The answer is damaged, or has what can be no name.
        TransferError: Otherwise, see `Exchange.ask`; the server may have no WebDAV.
    """
    above = str(url.with_path(url.as_directory.path))
    with _listed(exchange, url) as spool:
        for name, resource in spool:
            yield _entry(f"{above}{quoted(name)}", name, resource)


def stat(exchange: Exchange, url: Url) -> Entry:
    """Return what there is at ``url``.

    Raises:
        NotThere: Nothing is.
        TransferError: Otherwise, see `Exchange.ask`.
    """
    if url.query:  # which is for GET, or signs for it
        return looked_at(exchange, url)
    try:
        told = _told(exchange, url)
    except (NotThere, NotAllowed):  # what web servers say too of a method that they do not know
        if not url.scheme.startswith("http"):
            raise
        told = None
    return told or looked_at(exchange, url)


def _told(exchange: Exchange, url: Url) -> Entry | None:
    """Return what WebDAV tells of ``url``; ``None`` if the server does not speak it."""
    # Transfers hardly ever ask this, and would wait for all that reads XML to be imported.
    from dodas.staging import listing_answer, multistatus  # noqa: PLC0415

    with _propfind(exchange, url, "0", multistatus.ONE) as response:
        if response.status != HTTPStatus.MULTI_STATUS:
            response.drain()
            return None
        one = listing_answer.one_in(response, url)
    where = url.as_directory if one.is_directory else url.as_file
    return _entry(str(where).rstrip("/"), url.name, one)


def _listed(exchange: Exchange, url: Url) -> Spool:
    from dodas.staging import listing_answer, multistatus  # noqa: PLC0415 - as above

    for attempt in range(1, _ATTEMPTS + 1):
        with _propfind(exchange, url, "1", multistatus.LISTING) as response:
            if response.status != HTTPStatus.MULTI_STATUS:
                raise _without_webdav(url, response)
            try:
                return listing_answer.members_in(response, url)
            except StorageUnreachable:  # cut in the middle
                if attempt == _ATTEMPTS:
                    raise
    raise AssertionError("the last attempt returns or raises")


def _propfind(exchange: Exchange, url: Url, depth: str, body: bytes) -> Response:
    headers = {"Depth": depth, "Content-Type": "application/xml; charset=utf-8"}
    ok = (HTTPStatus.MULTI_STATUS, *_NOT_SPOKEN)
    return exchange.ask("PROPFIND", url, headers=headers, body=BytesBody(body), ok=ok)


def _without_webdav(url: Url, response: Response) -> TransferError:
    return TransferError(
        f"{url.redacted} cannot be listed: {response.url.authority} answered {response.status}",
        hint="see whether there is WebDAV at this URL; an Apache needs `DirectoryIndex disabled` to list a "
        "directory that has an index.html in it",
    )


def _entry(url: str, name: str, one: Resource) -> Entry:
    return Entry(
        url=f"{url}/" if one.is_directory else url,
        name=name,
        is_directory=one.is_directory,
        size=one.size,
        modified=one.modified,
        etag=one.etag,
        checksums=one.checksums,
    )
