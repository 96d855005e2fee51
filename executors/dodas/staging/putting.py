"""Where the bytes of an upload go before they have their name, and whether they need another one until then.

A server that shows a file while it grows, or keeps what came before the connection broke, gets the bytes
under a temporary name.  Which servers do so is in no standard; one is known not to, none else is trusted.
"""

from __future__ import annotations

import os

from dodas.errors import AlreadyThere, TransferError
from dodas.staging import faults, hops, listing, servers, urls
from dodas.staging.bodies import Body
from dodas.staging.making import ensure
from dodas.staging.manners import Manner
from dodas.staging.response import Response
from dodas.staging.session import Session
from dodas.staging.urls import Url
from dodas.values import dataclass

_REDIRECTS = (301, 302, 307, 308)
STORED = (200, 201, 204)
_NO_PARENT = (404, 409)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the bytes of a file go.

    Attributes:
        origin: What the user named.
        final: Its place under its own name, at the server that takes it.
        into: Where the bytes go; the same, or a temporary name beside it.
        federated: Whether other servers may have copies.
    """

    origin: Url
    final: Url
    into: Url
    federated: bool = False

    @property
    def is_temporary(self) -> bool:
        """Whether the bytes have another name until they are complete."""
        return self.into is not self.final and self.into != self.final


def direct(
    session: Session, url: Url, *, origin: Url, federated: bool = False, overwrite: bool = False
) -> Place:
    """Return the place for a file on a server that stores it itself."""
    servers.refuse_unspeakable(session, url, origin=origin)
    # The old copies in a federation have to go first; by then it is to be sure that the new one arrives.
    whole = servers.is_whole(session, url, origin=origin) and not (federated and overwrite)
    into = temporary(url) if not whole and renames(session, url, origin=origin) else url
    return Place(origin=origin, final=url, into=into, federated=federated)


def renames(session: Session, url: Url, *, origin: Url) -> bool:
    """Tell whether a server may be able to rename a file to ``url``."""
    if session.manners.known(url, Manner.MOVES) is False:
        return False
    return servers.destination(session, url, origin=origin) is not None


def temporary(url: Url) -> Url:
    """Return a name in the same directory that nobody else has."""
    return urls.join(url.parent, f".dodas-{os.urandom(12).hex()}.part")


def redirection(response: Response) -> Url | None:
    """Return where an answer to PUT sends the body."""
    target = hops.led_to(response)
    if target is not None and response.url.secure and not target.secure:
        raise faults.unencrypted(response.method, (response.url,), target)
    return target


def elsewhere(session: Session, url: Url, target: Url, *, overwrite: bool) -> Place:
    """Return the place for a file that the server of ``url`` wants to be put at ``target``."""
    if target.is_signed:
        # An object store, which shows nothing before it is complete; and the name is part of the signature.
        return Place(origin=url, final=url, into=url, federated=True)
    if target.query:
        # A server that keeps the names itself and only the bytes elsewhere.
        return Place(origin=url, final=url, into=temporary(url) if renames(session, url, origin=url) else url)
    return direct(session, target, origin=url, federated=True, overwrite=overwrite)


def put(session: Session, place: Place, body: Body, *, overwrite: bool, follow: bool) -> Response:
    """Send ``body`` to a place; make its directory if that is missing.

    Returns:
        The answer, its body to be closed: one of `STORED`, 412, or a redirection if they are not followed.
    """
    for last in (False, True):
        response = _put(session, place, body, overwrite=overwrite, follow=follow, last=last)
        if response.status not in _NO_PARENT:
            return response
        response.drain()
        if not ensure(session, response.url.parent, origin=place.origin):
            _refuse_directory(session, place)
    raise AssertionError("the last answer is returned or raised")


def _put(
    session: Session, place: Place, body: Body, *, overwrite: bool, follow: bool, last: bool
) -> Response:
    ok = (*STORED, 412) if last else (*STORED, 412, *_NO_PARENT)
    headers = {"Content-Type": "application/octet-stream"}
    if not overwrite and not place.is_temporary:
        headers["If-None-Match"] = "*"
    return session.exchange.ask(
        "PUT",
        place.into,
        headers=headers,
        body=body,
        origin=place.origin,
        ok=ok if follow else (*ok, *_REDIRECTS),
        follow=follow,
        retry=False,
    )


def leave(session: Session, response: Response) -> None:
    """Have done with the answer to PUT, and keep its connection, which is the next one's that is needed.

    Not with XRootD, up to 5.5 at least, which dies more often where connections are used again after a PUT.
    """
    if servers.is_xrootd(response.headers) or session.manners.known(response.url, Manner.XROOTD):
        response.close()
    else:
        response.drain()


def rename(session: Session, place: Place, *, overwrite: bool) -> bool:
    """Give a file its name; return whether the server can do that.

    Raises:
        AlreadyThere: There is one of that name.
    """
    name = servers.destination(session, place.final, origin=place.origin) or place.final.wire
    headers = {"Destination": name, "Overwrite": "T" if overwrite else "F"}
    ok = (*STORED, 400, 403, 404, 405, 409, 501, 502)
    with session.exchange.ask("MOVE", place.into, headers=headers, origin=place.origin, ok=ok) as response:
        response.drain()
        moved = response.status in STORED
    session.manners.learn(place.into, Manner.MOVES, moved)
    return moved


def _refuse_directory(session: Session, place: Place) -> None:
    """Say so if a directory has the name, since the directory that it is to be in is there."""
    try:
        entry = listing.stat(session.exchange, place.final)
    except TransferError:
        return
    if entry.is_directory:
        raise AlreadyThere(f"{place.origin.redacted} is there and is a directory", hint="choose another name")
