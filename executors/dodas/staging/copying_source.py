"""A file on one storage on its way to another, through this machine but not over its disk."""

from __future__ import annotations

from collections.abc import Iterator

from dodas.errors import Corrupt
from dodas.staging.asking import ask_with_digest
from dodas.staging.checksums import ALGORITHMS, Hasher, compare
from dodas.staging.digests import told_by
from dodas.staging.pipelines import BLOCK
from dodas.staging.response import Response
from dodas.staging.session import Session
from dodas.staging.sources import SourceBody
from dodas.staging.urls import Url
from dodas.staging.values import Checksum, OnProgress

_HINT = "try again; if it stays so, the storage holds a damaged copy"


class RemoteFile:
    """A file at a storage, to be sent as `dodas.staging.sources.LocalFile` is.

    Attributes:
        size: Bytes.
        url: Where it is.
    """

    def __init__(self, session: Session, url: Url, *, origin: Url) -> None:
        """Look at it.

        Args:
            session: The way to it.
            url: Where it is.
            origin: What the user named.
        """
        self.url = url
        self._session, self._origin = session, origin
        with self._look() as response:
            self._told = told_by(response.headers)
            length = response.headers.get("content-length", "")
        self.size = int(length) if length.isdecimal() else self._size_of_answer()
        self._hasher = self._anew()

    @property
    def told(self) -> tuple[Checksum, ...]:
        """What its server says that it has."""
        return self._told if self._session.settings.verify else ()

    @property
    def sent(self) -> bool:
        """Whether any of it has been sent since `body`."""
        return self._hasher.count > 0

    def body(self, progress: OnProgress) -> SourceBody:
        """Return it as the body of a request, fetched as it is sent."""
        return SourceBody(self, progress)

    def blocks(self, progress: OnProgress) -> Iterator[memoryview]:
        """Fetch it, from the beginning."""
        self._hasher = self._anew()
        buffer = memoryview(bytearray(BLOCK))
        with self._fetch() as response:
            if response.length not in (None, self.size):
                raise Corrupt(f"{self.url.redacted} has changed meanwhile", hint="copy it again")
            while count := response.readinto(buffer):
                self._hasher.update(buffer[:count])
                if self._hasher.count == self.size:
                    self._check()  # before the last block is given away
                progress(self._hasher.count, self.size)
                yield buffer[:count]

    def checksums(self) -> tuple[Checksum, ...]:
        """Return those of what was sent.

        Raises:
            Corrupt: It is not what its server says.
        """
        self._check()
        return self._hasher.digests()

    def starts_with(self, data: memoryview, offset: int) -> bool:
        """Tell whether ``data`` is what the file has at ``offset``."""
        headers = {"Range": f"bytes={offset}-{offset + len(data) - 1}"}
        ask = self._session.exchange.ask
        with ask("GET", self.url, headers=headers, origin=self._origin, ok=(200, 206)) as response:
            return response.status == 206 and response.read(len(data)) == data

    def _size_of_answer(self) -> int:
        """Return what GET says; of an empty file, Apache says it there alone."""
        with self._fetch() as response:
            if response.length is None:
                raise Corrupt(f"{self.url.redacted} does not say how long it is", hint=_HINT)
            return response.length

    def _anew(self) -> Hasher:
        names = [one.algorithm for one in self._told if one.algorithm in ALGORITHMS]
        return Hasher([*names, "adler32"])

    def _look(self) -> Response:
        return ask_with_digest(
            self._session, "HEAD", self.url, origin=self._origin, algorithms=("adler32", "md5"), retry=True
        )

    def _fetch(self) -> Response:
        # Not for the checksum again: whoever asks for one may have to wait for others, who wait for us.
        return self._session.exchange.ask("GET", self.url, origin=self._origin)

    def _check(self) -> None:
        if self._hasher.count != self.size or compare(self.told, self._hasher.digests()) is False:
            raise Corrupt(f"{self.url.redacted} was damaged on its way", hint=_HINT)
