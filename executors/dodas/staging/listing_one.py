"""One thing on a server that need not have WebDAV, as GET would find it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dodas.staging.dates import http_date
from dodas.staging.digests import told_by
from dodas.staging.urls import Url
from dodas.staging.values import Entry

if TYPE_CHECKING:
    from dodas.staging.exchange import Exchange
    from dodas.staging.response import Response

_PLAIN = {"Accept-Encoding": "identity"}
_NO_HEAD = (405, 501)
_RANGE = re.compile(r"bytes\s+[0-9*-]+/([0-9]{1,19})", re.ASCII)


def looked_at(exchange: Exchange, url: Url) -> Entry:
    """Return what HEAD, or the first byte of GET, says of ``url``.

    Raises:
        NotThere: There is nothing.
        TransferError: Otherwise, see `Exchange.ask`.
    """
    # What signs a URL may be good for GET alone.
    ok = (200, 204, *_NO_HEAD, 403) if url.query else (200, 204, *_NO_HEAD)
    with exchange.ask("HEAD", url, headers=_PLAIN, ok=ok) as response:
        if response.status in (200, 204):
            return _entry(url, response, _number(response.headers.get("content-length", "")))
    with exchange.ask("GET", url, headers={**_PLAIN, "Range": "bytes=0-0"}, ok=(200, 206, 416)) as response:
        if response.status == 200:
            return _entry(url, response, response.length)
        found = _RANGE.match(response.headers.get("content-range", ""))
        return _entry(url, response, int(found[1]) if found else None)


def _entry(url: Url, response: Response, size: int | None) -> Entry:
    headers = response.headers
    is_directory = response.url.path.endswith("/")  # where web servers send those who ask for a directory
    where = url.as_directory if is_directory else url
    return Entry(
        url=str(where),
        name=url.name,
        is_directory=is_directory,
        size=None if is_directory or "content-encoding" in headers else size,
        modified=http_date(headers.get("last-modified", "")),
        etag=headers.get("etag", ""),
        checksums=told_by(headers, whole=response.status == 200),
    )


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else None
