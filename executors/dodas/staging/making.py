"""Directories on storage, with those above them."""

from __future__ import annotations

from dodas.errors import AlreadyThere, NotThere, TransferError
from dodas.staging import listing
from dodas.staging.session import Session
from dodas.staging.urls import Url

_MADE = (200, 201, 204)
_EXISTS = (405, 301)  # the latter where the server tells that a directory ends with a slash
_NO_PARENT = (404, 409)


def make_directory(session: Session, url: Url, *, parents: bool) -> None:
    """See `dodas.staging.storage.Storage.make_directory`."""
    made = ensure(session, url, origin=url, parents=parents)
    if made:
        return
    if not listing.stat(session.exchange, url).is_directory:
        raise AlreadyThere(f"{url.redacted} is there and is no directory", hint="choose another name")
    if not parents:
        raise AlreadyThere(f"{url.redacted} is there already")


def ensure(session: Session, url: Url, *, origin: Url, parents: bool = True) -> bool:
    """Make a directory unless something of that name is there; return whether it was made.

    Many may do so at the same time.

    Args:
        session: The way to the server.
        url: The directory, at the server that is to have it.
        origin: What the user asked for.
        parents: Whether to make those above as well.

    Raises:
        TransferError: It cannot be made.
    """
    directory = url.as_directory
    status = _make_once(session, directory, origin, last=not parents)
    if status not in _NO_PARENT:
        return status in _MADE
    above = directory.parent
    if above.path == directory.path:
        raise NotThere(f"{origin.redacted} cannot be reached below {directory.redacted}")
    ensure(session, above, origin=origin)
    return _make_once(session, directory, origin, last=True) in _MADE


def _make_once(session: Session, directory: Url, origin: Url, *, last: bool) -> int:
    try:
        return _make(session, directory, origin, last=last)
    except TransferError:
        # Apache forbids it to whoever comes second when two make it at the same time.
        if _is_there(session, directory, origin):
            return _EXISTS[0]
        raise


def _is_there(session: Session, directory: Url, origin: Url) -> bool:
    ask = session.exchange.ask
    try:
        with ask("PROPFIND", directory, headers={"Depth": "0"}, origin=origin, ok=(207, 404)) as response:
            return response.status == 207
    except TransferError:
        return False


def _make(session: Session, directory: Url, origin: Url, *, last: bool) -> int:
    ok = (*_MADE, *_EXISTS) if last else (*_MADE, *_EXISTS, 404, 409)
    with session.exchange.ask("MKCOL", directory, origin=origin, ok=ok) as response:
        response.drain()
        return response.status
