"""GET and HEAD that ask for a checksum along with the file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import nullcontext

from dodas.staging.checksums import ALGORITHMS
from dodas.staging.digests import want
from dodas.staging.manners import Manner
from dodas.staging.response import Response
from dodas.staging.servers import is_xrootd
from dodas.staging.session import Session
from dodas.staging.urls import Url

_NOBODY = nullcontext()
_CANNOT = 500
_NOT_THERE = 404


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

    XRootD fails if it cannot compute one, even of files that are not there; it is asked without then.  Once
    it is known, it is not asked for one along with a file, which it does not survive when it is busy, nor
    believed at once that a file is not there whose checksum was wanted.  One waits for another that asks the
    same server, unless that is known to bear several: XRootD, up to 5.5 at least, dies when it computes
    checksums for some at the same time.
    """
    fields = dict(headers or {})
    known = session.manners.known(url, Manner.ONE_BY_ONE)
    delicate = known is True
    if not (delicate and method == "GET"):
        wanted = {"Want-Digest": want(tuple(algorithms) or ALGORITHMS[:1])}
        doubted = (_CANNOT, _NOT_THERE) if delicate else (_CANNOT,)
        with session.manners.turn(url) if known is not False else _NOBODY:
            response = session.exchange.ask(
                method, url, headers={**fields, **wanted}, origin=origin, ok=(*ok, *doubted), retry=retry
            )
        found = is_xrootd(response.headers)
        if found or known is None:
            session.manners.learn(url, Manner.ONE_BY_ONE, found)
        if response.status in ok or response.status not in doubted:
            return response
        response.drain()
    return session.exchange.ask(method, url, headers=fields, origin=origin, ok=ok, retry=retry)
