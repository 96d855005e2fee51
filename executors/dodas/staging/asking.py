"""GET and HEAD that ask for a checksum along with the file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from dodas.staging.checksums import ALGORITHMS
from dodas.staging.digests import want
from dodas.staging.response import Response
from dodas.staging.session import Session
from dodas.staging.urls import Url

_CANNOT = 500


def ask_with_digest(
    session: Session,
    method: str,
    url: Url,
    *,
    origin: Url,
    algorithms: Iterable[str],
    headers: Mapping[str, str] | None = None,
    ok: tuple[int, ...] = (200,),
    retry: bool = False,
) -> Response:
    """Ask for a file, or what there is to know of it, and for one of its checksums.

    XRootD fails if it cannot compute one, even of files that are not there; it is asked without then.
    """
    fields = dict(headers or {})
    response = session.exchange.ask(
        method,
        url,
        headers={**fields, "Want-Digest": want(tuple(algorithms) or ALGORITHMS[:1])},
        origin=origin,
        ok=(*ok, _CANNOT),
        retry=retry,
    )
    if response.status != _CANNOT:
        return response
    response.drain()
    return session.exchange.ask(method, url, headers=fields, origin=origin, ok=ok, retry=retry)
