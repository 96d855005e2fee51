"""What an answer to GET says about the file: which it is, and which part of it this is."""

from __future__ import annotations

import re

from dodas.errors import Corrupt, DodasError, StorageUnreachable, TransferError
from dodas.staging import digests, listing
from dodas.staging.response import Response
from dodas.staging.servers import is_unspeakable, is_xrootd, unspeakable
from dodas.staging.session import Session, as_dav
from dodas.staging.urls import Url
from dodas.staging.values import Checksum
from dodas.values import dataclass

_RANGE = re.compile(r"bytes\s+([0-9]{1,19})-([0-9]{1,19})/([0-9]{1,19}|\*)")
_STRONG = re.compile(r'"[^"]+"')
_PAGES = ("text/html", "application/xhtml+xml")
_PAGE_NAMES = (".html", ".htm", ".xhtml", ".shtml", ".php")


# Not frozen: one is made for each request, and that would take thrice as long.
@dataclass(slots=True, kw_only=True)
class Answer:
    """What a server says about a file that it begins to send.

    Attributes:
        start: Where in the file the body begins.
        size: Bytes of the whole file; ``None`` if it does not say.
        etag: Strong validator, empty if there is none.
        endpoint: Who says it, without secrets.
        checksums: Those of the whole file that it tells.
    """

    start: int
    size: int | None
    etag: str
    endpoint: str
    checksums: tuple[Checksum, ...]


def understand(response: Response) -> Answer:
    """Return what ``response``, a 200 or 206, says.

    Raises:
        Corrupt: It is a part of the file, and does not say which.
    """
    start, size = 0, response.length
    if response.method == "HEAD":
        size = _number(response.headers.get("content-length", ""))
    if response.status == 206:
        start, size = _range(response)
    etag = (response.headers.get("etag") or "").strip()
    return Answer(
        start=start,
        size=size,
        etag=etag if _STRONG.fullmatch(etag) else "",
        endpoint=without_query(response),
        checksums=digests.told_by(response.headers, whole=response.status == 200),
    )


def without_query(response: Response) -> str:
    """Return who answers, without secrets."""
    return response.endpoint.partition("?")[0]


def refuse_what_is_no_file(session: Session, url: Url, response: Response, *, is_certain: bool) -> None:
    """Fail if an answer that looks like success is not the file.

    Args:
        session: Asks what is there, where the answer could be either.
        url: What the user asked for.
        response: The answer to GET.
        is_certain: Whether a checksum will tell anyhow.

    Raises:
        StorageUnreachable: The storage has yet to get the file from somewhere.
        Corrupt: It is a page for people.
        TransferError: It is the listing of a directory.
    """
    if response.status == 202:
        raise StorageUnreachable(
            f"{url.redacted} is not ready at {response.endpoint}",
            hint="try again later: the storage is fetching it, from tape perhaps",
        )
    if is_unspeakable(url) and is_xrootd(response.headers):
        raise unspeakable(url)
    if not is_certain and _may_be_a_page(url, response):
        refuse_page(session, url, response.url, response.length)


def refuse_page(session: Session, url: Url, where: Url, length: int | None) -> None:
    """Fail if what was sent is a page for people, or a listing, and not a file of that length.

    Raises:
        Corrupt: It is a page.
        TransferError: It is a listing.
    """
    try:
        entry = listing.stat(session.exchange, as_dav(where))
    except DodasError:
        entry = None
    if entry is not None and entry.is_directory:
        raise TransferError(f"{url.redacted} is a directory", hint="ask for what is in it")
    if entry is None or entry.size is None or entry.size != length:
        raise Corrupt(
            f"{url.redacted} was answered with a page for people instead of the file",
            hint="look at it with a browser: it may say that you have to log in",
        )


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() else None


def _may_be_a_page(url: Url, response: Response) -> bool:
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind in _PAGES and not url.name.lower().endswith(_PAGE_NAMES)


def _range(response: Response) -> tuple[int, int | None]:
    found = _RANGE.fullmatch((response.headers.get("content-range") or "").strip())
    if found is None:
        raise Corrupt(f"{without_query(response)} sent a part of the file and did not say which")
    start, end = int(found[1]), int(found[2])
    if response.length is not None and response.length != end - start + 1:
        raise Corrupt(f"{without_query(response)} sent a part of the file of another length than it says")
    return start, None if found[3] == "*" else int(found[3])
