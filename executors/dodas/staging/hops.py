"""From server to server, as redirections lead; the method and the body stay what they are.

Most clients turn an upload that is redirected into a download, as browsers do.  It then looks as if it had
worked.
"""

from __future__ import annotations

import re
from collections.abc import Container

from dodas.errors import SpecError
from dodas.staging import faults, urls
from dodas.staging.cuts import Cut
from dodas.staging.requesting import Asker, Call
from dodas.staging.response import Response
from dodas.staging.urls import Url

_MOST = 10
_ANY_METHOD = (301, 302, 307, 308)
_SEE_OTHER = 303  # the answer to a change is elsewhere: following it would not be the change


def follow(asker: Asker, call: Call, ok: Container[int]) -> Response:
    """Return the answer of the last server, or the first one that is ``ok``.

    Raises:
        Cut: A connection broke, or there was none; its ``url`` says where.
        NotAllowed: What credentials were shown for would go on in clear.
        StorageUnreachable: The redirections do not end.
        TransferError: Something on this side failed.
    """
    hops: tuple[Url, ...] = ()
    url = call.url
    while True:
        try:
            response = asker.once(call, url, hops)
        except Cut as cut:
            cut.url = url
            raise
        target = None if response.status in ok else led_to(response)
        if target is None:
            return response
        response.drain()
        hops = (*hops, url)
        _check(call, hops, target)
        url = target


def led_to(response: Response) -> Url | None:
    """Return where an answer sends whoever asked; ``None`` if it does not.

    Raises:
        StorageUnreachable: To nowhere.
    """
    see_other = response.status == _SEE_OTHER and response.method in ("GET", "HEAD")
    location = response.headers.get("Location")
    if not location or not (see_other or response.status in _ANY_METHOD):
        return None
    try:
        return urls.redirected(response.url, _encoded(response, location))
    except SpecError:
        response.close()
        raise faults.lost(response, "redirects to what is no URL of storage") from None


def _encoded(response: Response, location: str) -> str:
    """Return a location as it is meant: XRootD gives it without encoding the name that it was asked for."""
    path, name = response.url.path, urls.decoded(response.url.path)
    if name == path or not response.headers.get("Server", "").startswith("XrootD"):
        return location
    before, found, after = location.partition(name)
    as_it_is = found and re.fullmatch(r"https?://[^/]+", before) and after[:1] in ("", "?")
    return before + path + after if as_it_is else location


def _check(call: Call, hops: tuple[Url, ...], target: Url) -> None:
    if not target.secure and any(call.permission.shown(url) for url in hops):
        raise faults.unencrypted(call.method, hops, target)
    if len(hops) > _MOST:
        raise faults.circle(call.method, hops, f"more than {_MOST} redirections")
    if target.wire in [url.wire for url in hops]:
        raise faults.circle(call.method, hops, "its redirections lead in a circle")
