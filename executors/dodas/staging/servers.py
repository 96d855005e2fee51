"""What kind of server one is, found out once and remembered."""

from __future__ import annotations

import re

from dodas.errors import SpecError, TransferError
from dodas.staging import urls
from dodas.staging.headers import Headers
from dodas.staging.manners import Manner
from dodas.staging.session import Session
from dodas.staging.urls import Url

# What XRootD cannot have in names, as we encode it: question marks and control characters.
_ENDS_NAMES = re.compile("%3F|%[01][0-9A-F]|%7F")


def is_whole(session: Session, url: Url, *, origin: Url) -> bool:
    """Tell whether a server is known to show what is put only when it is complete, as Apache does."""
    return _known(session, url, origin, Manner.WHOLE)


def refuse_unspeakable(session: Session, url: Url, *, origin: Url) -> None:
    """Fail if the server would take the name of ``url`` for another one.

    XRootD cuts names at a question mark, also at one that is encoded, and at line breaks when it is asked for
    checksums: it would read, replace or remove a file that nobody has named.

    Raises:
        SpecError: It would.
    """
    if is_unspeakable(origin) and _known(session, url, origin, Manner.XROOTD):
        raise unspeakable(origin)


def is_unspeakable(url: Url) -> bool:
    """Tell whether the name of ``url`` is one that XRootD takes for another."""
    return _ENDS_NAMES.search(url.path) is not None


def unspeakable(url: Url) -> SpecError:
    """Return the error for a name that a server cannot have."""
    return SpecError(
        f"{url.redacted} has a question mark or a control character in its name, at which XRootD cuts it",
        hint="choose another name",
    )


def is_xrootd_at(session: Session, url: Url, *, origin: Url) -> bool:
    """Tell whether the server of ``url`` is XRootD."""
    return _known(session, url, origin, Manner.XROOTD)


def destination(session: Session, url: Url, *, origin: Url) -> str | None:
    """Return how to name ``url`` in a ``Destination`` header; ``None`` if the server may take it for another.

    XRootD takes the name as it stands there, without decoding it; one day it may, so that what would then be
    another name is not told.  From its end it cuts blanks, and all that is not ASCII.
    """
    name = urls.decoded(url.path)
    if name == url.path or not _known(session, url, origin, Manner.XROOTD):
        return url.wire
    if "%" in name or not name.isprintable() or not "!" <= name[-1] <= "~":
        return None
    return url.with_path("").wire + name


def is_xrootd(headers: Headers) -> bool:
    """Tell whether XRootD answered."""
    return headers.get("server", "").lower().startswith("xrootd")


def _known(session: Session, url: Url, origin: Url, manner: Manner) -> bool:
    known = session.manners.known(url, manner)
    if known is not None:
        return known
    ask = session.exchange.ask
    try:
        with ask("OPTIONS", url.parent, origin=origin, ok=(200, 204), retry=False) as response:
            response.drain()
    except TransferError as error:
        session.failed(error)
        return False
    session.manners.learn(url, Manner.WHOLE, _is_apache_with_a_disk(response.headers))
    session.manners.learn(url, Manner.XROOTD, is_xrootd(response.headers))
    return session.manners.known(url, manner) is True


def _is_apache_with_a_disk(headers: Headers) -> bool:
    """Tell it from those that claim its property set as well, XRootD for one: it offers locks."""
    return (
        headers.get("server", "").startswith("Apache")
        and "http://apache.org/dav/propset/fs/1" in headers.get("dav", "")
        and "LOCK" in headers.get("allow", "")
    )
