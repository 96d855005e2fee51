"""A file from this disk to storage: complete and verified under its name, or not there."""

from __future__ import annotations

from dodas.errors import Corrupt, SpecError, StorageUnreachable, TransferError
from dodas.staging import putting, servers, sources, upload_check
from dodas.staging.failures import Failures
from dodas.staging.manners import Manner
from dodas.staging.naming import await_sight, give_name, refuse_what_is_there, there
from dodas.staging.putting import Place
from dodas.staging.removal import discard, remove_for_good
from dodas.staging.response import Response
from dodas.staging.session import Session
from dodas.staging.sources import Source
from dodas.staging.urls import Url
from dodas.staging.values import Checksum, OnProgress, Stored


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
        self._left: list[Place] = []  # what could not be taken back yet

    def run(self) -> Stored:
        """Send it, from the beginning each time, until the server that took it has it."""
        failures = Failures(self._session.settings)
        while True:
            try:
                stored = self._once()
            except (StorageUnreachable, Corrupt) as error:
                self._session.failed(error)
                failures.add(error)
                failures.rest_or_raise()
            else:
                if stored is not None:
                    return stored

    def _once(self) -> Stored | None:
        """Return ``None`` if the server turned out to be of another kind: it has to be done once more."""
        while self._left:
            self._take_back(self._left[-1])
            self._left.pop()
        place = self._place()
        with self._put(place, follow=False) as response:
            target = putting.redirection(response)
        self._session.manners.learn(self._url, Manner.REDIRECTS, target is not None)
        if target is None:
            return self._finish(place, response)
        if place.is_temporary:
            return None  # nothing was stored; next time it is asked where the file itself is to go
        place = putting.elsewhere(self._session, self._url, target)
        if self._overwrite and not place.is_temporary:
            remove_for_good(self._session, self._url)
        with self._put(place, follow=True) as response:
            pass
        return self._finish(place, response)

    def _place(self) -> Place:
        """Return where to put it as long as no server says otherwise."""
        if self._session.manners.known(self._url, Manner.REDIRECTS):
            servers.refuse_unspeakable(self._session, self._url, origin=self._url)
            place = Place(origin=self._url, final=self._url, into=self._url)
        else:
            place = putting.direct(self._session, self._url, origin=self._url)
        heeds = servers.is_whole(self._session, self._url, origin=self._url)
        if not self._overwrite and not heeds:
            refuse_what_is_there(self._session, self._url, origin=self._url)
        return place

    def _put(self, place: Place, *, follow: bool) -> Response:
        body = self._source.body(self._progress)
        try:
            return putting.put(self._session, place, body, overwrite=self._overwrite, follow=follow)
        except BaseException as error:
            self._after_failure(place, error)
            if isinstance(error, TransferError):
                # The user does not know the other name.
                error.args = (str(error).replace(place.into.redacted, self._url.redacted),)
            raise

    def _after_failure(self, place: Place, error: BaseException) -> None:
        """Leave nothing of what was sent, as far as that can be done now."""
        if not self._source.sent:
            return
        if place.is_temporary:
            discard(self._session, place.into, origin=self._url)
        elif isinstance(error, TransferError) and not servers.is_whole(
            self._session, place.final, origin=self._url
        ):
            self._left.append(place)

    def _take_back(self, place: Place) -> None:
        """Remove what is left of an upload that broke off, if it is that."""
        if upload_check.is_beginning(self._session, place.final, self._source, origin=self._url):
            discard(self._session, place.final, origin=self._url)

    def _give_name(self, place: Place, found: tuple[Checksum, ...]) -> bool:
        size = self._source.size
        named = give_name(self._session, place, overwrite=self._overwrite, size=size, found=found)
        if not named:
            discard(self._session, place.into, origin=self._url)
        return named

    def _finish(self, place: Place, response: Response) -> Stored | None:
        if response.status == 412:
            raise there(self._url)
        where = place.into if response.url.query else response.url
        try:
            found = self._source.checksums()
            verified = upload_check.confirmed(
                self._session, where, origin=self._url, size=self._source.size, found=found
            )
            if place.is_temporary and not self._give_name(place, found):
                return None
        except BaseException:
            discard(self._session, place.into, origin=self._url)
            raise
        if place.federated:
            await_sight(self._session, self._url)
        endpoint = (place.final if place.is_temporary else where).redacted.partition("?")[0]
        return Stored(
            url=self._url.redacted,
            endpoint=endpoint,
            size=self._source.size,
            checksums=found,
            verified=verified,
        )
