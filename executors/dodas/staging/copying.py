"""From one storage to another: by the servers themselves where they can, else through this machine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from dodas.errors import AlreadyThere, NotThere, SpecError, TransferError
from dodas.staging import putting, replicas, servers, thirdparty, upload_check, urls
from dodas.staging.bodies import BytesBody
from dodas.staging.copying_source import RemoteFile
from dodas.staging.making import ensure
from dodas.staging.manners import Manner
from dodas.staging.naming import await_sight, give_name, refuse_what_is_there
from dodas.staging.putting import Place
from dodas.staging.removal import discard
from dodas.staging.session import ELSEWHERE, Session
from dodas.staging.thirdparty import Copy
from dodas.staging.upload import Upload
from dodas.staging.urls import Url
from dodas.staging.values import OnProgress, Stored


def copy(session: Session, source: Url, destination: Url, *, overwrite: bool, progress: OnProgress) -> Stored:
    """See `dodas.staging.storage.Storage.copy`."""
    if (source.authority, source.path) == (destination.authority, destination.path):
        raise SpecError(f"{source.redacted} cannot be copied onto itself", hint="choose another name")
    for end in (source, destination):
        servers.refuse_unspeakable(session, end, origin=end)
    found = _readable(session, source)
    if not overwrite:
        refuse_what_is_there(session, destination, origin=destination)
    stored = _by_servers(session, source, found, destination, overwrite=overwrite, progress=progress)
    return stored or Upload(session, found, destination, overwrite, progress).run()


def _readable(session: Session, source: Url) -> RemoteFile:
    """Return the first copy of ``source`` that can be looked at."""
    try:
        return RemoteFile(session, source, origin=source)
    except ELSEWHERE as error:
        session.failed(error)
        found = replicas.others(session, source)
        for replica in replicas.ordered(session, found.replicas) if found else ():
            try:
                return RemoteFile(session, urls.parse(replica.url), origin=source)
            except ELSEWHERE as again:
                session.failed(again)
        raise


def _by_servers(
    session: Session,
    source: Url,
    found: RemoteFile,
    destination: Url,
    *,
    overwrite: bool,
    progress: OnProgress,
) -> Stored | None:
    """Have one of the servers do it; return ``None`` if none can."""
    if _neither_copies(session, found.url, destination):
        return None
    place = _place(session, destination)
    if place is None:
        return None
    stored = None
    try:
        if _copied(session, source, found, place, progress):
            stored = _named(session, found, place, overwrite=overwrite)
    except AlreadyThere:
        raise
    except TransferError as error:
        session.failed(error)  # whatever it was, it may go through this machine
    finally:
        if stored is None:
            discard(session, place.into, origin=destination)
    return stored


def _neither_copies(session: Session, source: Url, destination: Url) -> bool:
    if source.authority == destination.authority:
        return False
    known = session.manners.known
    return all(
        known(end, Manner.COPIES) is False or (known(end, Manner.WHOLE) and not known(end, Manner.REDIRECTS))
        for end in (source, destination)
    )


def _named(session: Session, found: RemoteFile, place: Place, *, overwrite: bool) -> Stored | None:
    """Verify a copy and give it its name; return ``None`` if the server cannot do that."""
    size, told = found.size, found.told
    verified = upload_check.confirmed(session, place.into, origin=place.origin, size=size, found=told)
    if not give_name(session, place, overwrite=overwrite, size=size, found=told):
        return None
    if place.federated:
        await_sight(session, place.origin)
    return Stored(
        url=place.origin.redacted,
        endpoint=place.final.redacted.partition("?")[0],
        size=size,
        checksums=told,
        verified=verified,
    )


def _place(session: Session, destination: Url) -> Place | None:
    """Return where at its server a copy can grow under another name; ``None`` where it has to be put."""
    into = putting.temporary(destination)
    place = Place(origin=destination, final=destination, into=into)
    try:
        if session.manners.known(destination, Manner.REDIRECTS) is not False:
            with putting.put(session, place, BytesBody(b""), overwrite=False, follow=False) as response:
                target = putting.redirection(response)
            session.manners.learn(destination, Manner.REDIRECTS, target is not None)
            if target is None:
                discard(session, into, origin=destination)
            elif target.query or target.name != into.name:
                return None
            else:
                final = urls.join(target.parent, destination.name)
                place = Place(origin=destination, final=final, into=target, federated=True)
    except TransferError:
        return None
    return place if putting.renames(session, place.final, origin=destination) else None


def _copied(session: Session, source: Url, found: RemoteFile, place: Place, progress: OnProgress) -> bool:
    """Try in all ways that servers know, and return whether one has worked."""
    for attempt in _ways(session, source, found, place):
        try:
            if _performed(session, attempt, place, progress):
                return True
        except TransferError as error:
            session.failed(error)
    return False


def _performed(session: Session, attempt: Copy, place: Place, progress: OnProgress) -> bool:
    try:
        return thirdparty.perform(session, attempt, progress)
    except NotThere:
        if not ensure(session, place.into.parent, origin=place.origin):
            raise
        return thirdparty.perform(session, attempt, progress)


def _ways(session: Session, source: Url, found: RemoteFile, place: Place) -> Iterator[Copy]:
    for replica in _replicas(session, source, found):
        pull = Copy(
            active=place.into, passive=replica, origin=place.origin, other=source, pull=True, total=found.size
        )
        push = Copy(
            active=replica,
            passive=place.into,
            origin=source,
            other=place.origin,
            pull=False,
            total=found.size,
        )
        # Apache takes a name on another server for one of its own.
        fetches = not servers.is_whole(session, place.into, origin=place.origin)
        sends = not servers.is_whole(session, replica, origin=source)
        if replica.authority == place.into.authority and not sends:
            yield replace(push, within=True)
        elif fetches:
            yield pull
        if sends:
            yield push


def _replicas(session: Session, source: Url, found: RemoteFile) -> Iterator[Url]:
    known = replicas.others(session, source)
    for replica in replicas.ordered(session, known.replicas) if known else ():
        yield urls.parse(replica.url)
    if known is None:
        yield found.url
