"""What is removed from storage: files with all their copies, and directories if that is meant."""

from __future__ import annotations

from dodas.errors import NotThere, StorageUnreachable, TransferError
from dodas.staging import listing, replicas, servers, urls
from dodas.staging.session import ELSEWHERE, Session, as_dav
from dodas.staging.urls import Url

_GONE = (200, 202, 204)
_MOST_COPIES = 32


def remove(session: Session, url: Url, *, recursive: bool) -> None:
    """See `dodas.staging.storage.Storage.remove`."""
    servers.refuse_unspeakable(session, url, origin=url)
    entry = listing.stat(session.exchange, as_dav(url))
    if not entry.is_directory:
        remove_everywhere(session, url.as_file)
    elif recursive:
        _remove_tree(session, url.as_directory)
    else:
        # To DELETE a directory is to delete all that is in it.
        raise TransferError(f"{url.redacted} is a directory", hint="say that all in it is to go, if it is")


def remove_everywhere(session: Session, url: Url) -> None:
    """Remove a file and the copies of it that can be reached.

    Raises:
        NotThere: There is none.
    """
    redirected = _delete(session, url, url)
    # A redirector hands on to one of its servers at a time.
    for _ in range(_MOST_COPIES if redirected else 0):
        try:
            _delete(session, url, url)
        except NotThere:
            return


def remove_for_good(session: Session, url: Url) -> None:
    """Remove a file, if it is there, in such a way that no old copy comes back beside a new file.

    Raises:
        StorageUnreachable: A server with a copy does not answer; nothing was removed then, as far as could be
            foreseen.
    """
    found = replicas.others(session, url)
    copies = [urls.parse(one.url) for one in found.replicas] if found else []
    present = [copy for copy in copies if _has_it(session, copy, url)]
    try:
        remove_everywhere(session, url)
    except NotThere:
        if not present:
            return
    for copy in present:
        if _has_it(session, copy, url):
            _delete(session, copy, url)


def discard(session: Session, url: Url, *, origin: Url) -> None:
    """Remove what we have made ourselves and nobody knows; if that fails, so be it."""
    try:
        _delete(session, url, origin)
    except TransferError:
        return


def _has_it(session: Session, copy: Url, origin: Url) -> bool:
    if copy.is_signed:
        return False  # good for reading alone; the federation has to see to it
    try:
        with session.exchange.ask("HEAD", copy, origin=origin, ok=(200, 404, 410), retry=False) as response:
            return response.status == 200
    except ELSEWHERE as error:
        raise StorageUnreachable(
            f"a copy of {origin.redacted} at {copy.redacted} cannot be removed now, and would come back",
            hint="try again when that storage is up, or take another name",
        ) from error


def _delete(session: Session, url: Url, origin: Url, *, retry: bool = True) -> bool:
    """Return whether another server did it."""
    with session.exchange.ask("DELETE", url, origin=origin, ok=_GONE, retry=retry) as response:
        response.drain()
        return bool(response.hops)


def _remove_tree(session: Session, url: Url) -> None:
    """Remove a directory from its leaves on: not all servers remove one that has something in it."""
    pending = [(url, False)]
    while pending:
        here, emptied = pending.pop()
        if emptied:
            _remove_emptied(session, here)
            continue
        pending.append((here, True))
        for entry in listing.entries(session.exchange, here):
            below = urls.parse(entry.url)
            if entry.is_directory:
                pending.append((below, False))
            else:
                _remove_quietly(session, below)


def _remove_emptied(session: Session, url: Url) -> None:
    try:
        _delete(session, url, url, retry=False)
    except NotThere:
        return  # a federation has the directories that its files are in, and no others
    except TransferError as error:
        raise TransferError(
            f"all in {url.redacted} was removed, but not the directory itself: {error}", hint=error.hint
        ) from error


def _remove_quietly(session: Session, url: Url) -> None:
    try:
        remove_everywhere(session, url)
    except NotThere:
        return  # somebody else was faster
