"""A file from this disk to storage: complete and verified under its name, or not there."""

from __future__ import annotations

from dodas.errors import AlreadyThere, Corrupt, SpecError, StorageUnreachable, TransferError
from dodas.staging import putting, servers, sources, upload_check
from dodas.staging.failures import Failures
from dodas.staging.manners import Manner
from dodas.staging.naming import await_sight, give_name, refuse_what_is_there, there
from dodas.staging.putting import Place
from dodas.staging.removal import discard, remove_for_good
from dodas.staging.response import Response
from dodas.staging.session import Session
from dodas.staging.sources import Source
from dodas.staging.upload_aftermath import Aftermath
from dodas.staging.urls import Url
from dodas.staging.values import Checksum, OnProgress, Stored, Verified


def upload(
    session: Session,
    path: str,
    url: Url,
    *,
    overwrite: bool,
    checksums: tuple[Checksum | str, ...],
    progress: OnProgress,
) -> Stored:
    """See `dodas.staging.storage.Storage.upload`."""
    if url.path.endswith("/"):
        raise SpecError(f"{url.redacted} names a directory", hint="add the name that the file is to have")
    with sources.opened(path, checksums) as source:
        return Upload(session, source, url, overwrite, progress).run()


class Upload:
    """One upload.

    Args:
        session: The way to the servers.
        source: What is sent.
        url: What the user wants it to be called.
        overwrite: Whether it may replace another file.
        progress: Told of the bytes.
    """

    def __init__(
        self, session: Session, source: Source, url: Url, overwrite: bool, progress: OnProgress
    ) -> None:
        self._session, self._source, self._url = session, source, url
        self._overwrite, self._progress = overwrite, progress
        self._aftermath = Aftermath(session, source, url)

    def run(self) -> Stored:
        """Send it, from the beginning each time, until the server that took it has it."""
        try:
            return self._until_it_is_there()
        finally:
            self._aftermath.sweep()

    def _until_it_is_there(self) -> Stored:
        failures = Failures(self._session.settings)
        while True:
            try:
                stored = self._found() or self._once()
            except AlreadyThere:
                # By us, perhaps: the server may have been at it still when we looked.
                stored = self._found()
                if stored is None:
                    raise
            except (StorageUnreachable, Corrupt) as error:
                self._session.failed(error)
                failures.add(error)
                failures.rest_or_raise()
                continue
            if stored is not None:
                return stored

    def _found(self) -> Stored | None:
        found = self._aftermath.found()
        return self._stored(*found, Verified.CHECKSUM) if found else None

    def _once(self) -> Stored | None:
        """Return ``None`` if the server turned out to be of another kind: it has to be done once more."""
        self._aftermath.clear()
        place = self._place()
        with self._put(place, follow=False) as response:
            target = putting.redirection(response)
            putting.leave(self._session, response)
        self._session.manners.learn(self._url, Manner.REDIRECTS, target is not None)
        if target is None:
            return self._finish(place, response)
        if place.is_temporary:
            return None  # nothing was stored; next time it is asked where the file itself is to go
        place = putting.elsewhere(self._session, self._url, target, overwrite=self._overwrite)
        if self._overwrite and not place.is_temporary:
            remove_for_good(self._session, self._url)
        with self._put(place, follow=True) as response:
            putting.leave(self._session, response)
        return self._finish(place, response)

    def _place(self) -> Place:
        """Return where to put it as long as no server says otherwise."""
        session, url = self._session, self._url
        if session.manners.known(url, Manner.REDIRECTS):
            servers.refuse_unspeakable(session, url, origin=url)
            place = Place(origin=url, final=url, into=url)
        else:
            place = putting.direct(session, url, origin=url)
            # XRootD goes on telling the checksum of an old file in whose place one of the same second is put.
            in_place = self._overwrite and not place.is_temporary
            if in_place and servers.is_xrootd_at(session, url, origin=url):
                remove_for_good(session, url)
        if not self._overwrite and not servers.is_whole(session, url, origin=url):
            refuse_what_is_there(session, url, origin=url)
        return place

    def _put(self, place: Place, *, follow: bool) -> Response:
        body = self._source.body(self._progress)
        try:
            return putting.put(self._session, place, body, overwrite=self._overwrite, follow=follow)
        except BaseException as error:
            self._aftermath.put_failed(place, error)
            if isinstance(error, TransferError):
                # The user does not know the other name.
                error.args = (str(error).replace(place.into.redacted, self._url.redacted),)
            raise

    def _finish(self, place: Place, response: Response) -> Stored | None:
        if response.status == 412:
            raise there(self._url)
        where, size = place.into if response.url.query else response.url, self._source.size
        try:
            found = self._source.checksums()
            verified = upload_check.confirmed(self._session, where, origin=self._url, size=size, found=found)
            if place.is_temporary and not give_name(
                self._session, place, overwrite=self._overwrite, size=size, found=found
            ):
                discard(self._session, place.into, origin=self._url)
                return None
        except BaseException as error:
            self._aftermath.end_failed(place, error)
            raise
        if place.federated:
            await_sight(self._session, self._url)
        return self._stored(place.final if place.is_temporary else where, found, verified)

    def _stored(self, where: Url, found: tuple[Checksum, ...], verified: Verified) -> Stored:
        return Stored(
            url=self._url.redacted,
            endpoint=where.redacted.partition("?")[0],
            size=self._source.size,
            checksums=found,
            verified=verified,
        )
