"""What uploads that failed may have left, and what becomes of it."""

from __future__ import annotations

from dodas.errors import StorageUnreachable, TransferError
from dodas.staging import servers, upload_check
from dodas.staging.putting import Place
from dodas.staging.removal import discard
from dodas.staging.session import Session
from dodas.staging.sources import Source
from dodas.staging.urls import Url
from dodas.staging.values import Checksum


class Aftermath:
    """What is known of the failed attempts of one upload.

    Args:
        session: The way to the servers.
        source: What was sent.
        url: What the user wants it to be called.
    """

    def __init__(self, session: Session, source: Source, url: Url) -> None:
        self._session, self._source, self._url = session, source, url
        self._partial: list[Place] = []  # a part of it may be there, under its name
        self._litter: list[Url] = []  # taken back already, but a server may have been at it still
        self._perhaps: Place | None = None  # all of it may be there, though nobody said so

    def put_failed(self, place: Place, error: BaseException) -> None:
        """Leave nothing of what was sent, as far as that can be done now; keep in mind what cannot."""
        if not self._source.sent:
            return
        if place.is_temporary:
            discard(self._session, place.into, origin=self._url)
            self._litter.append(place.into)
            return
        if isinstance(error, StorageUnreachable):
            self._perhaps = place
        whole = servers.is_whole(self._session, place.final, origin=self._url)
        if isinstance(error, TransferError) and not whole:
            self._partial.append(place)

    def end_failed(self, place: Place, error: BaseException) -> None:
        """Take back what was stored and could not be verified, or not be given its name."""
        if isinstance(error, StorageUnreachable):
            self._perhaps = place
        discard(self._session, place.into, origin=self._url)

    def clear(self) -> None:
        """Remove the parts that are there under its name, if they are parts of it.

        Raises:
            StorageUnreachable: That cannot be seen now.
        """
        while self._partial:
            final = self._partial[-1].final
            if upload_check.is_beginning(self._session, final, self._source, origin=self._url):
                discard(self._session, final, origin=self._url)
            self._partial.pop()

    def sweep(self) -> None:
        """Take back once more what could not be seen before."""
        for url in self._litter:
            discard(self._session, url, origin=self._url)

    def found(self) -> tuple[Url, tuple[Checksum, ...]] | None:
        """Return where it is, with its checksums, if it was stored and only the answer was lost.

        Raises:
            StorageUnreachable: That cannot be seen now.
        """
        if self._perhaps is None:
            return None
        where, size, found = self._perhaps.final, self._source.size, self._source.checksums()
        there = upload_check.is_there(self._session, where, origin=self._url, size=size, found=found)
        return (where, found) if there else None
