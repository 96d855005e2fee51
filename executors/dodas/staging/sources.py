"""A local file on its way to storage: hashed while it is sent, and watched for changes."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from dodas.errors import Corrupt, NotThere, SpecError, TransferError
from dodas.staging.bodies import Body
from dodas.staging.checksums import Hasher
from dodas.staging.digests import parse
from dodas.staging.disk import explained
from dodas.staging.pipelines import BLOCK, WORTH_IT, read_ahead
from dodas.staging.values import Checksum, OnProgress, ignore


class Source(Protocol):
    """What can be uploaded, as often as it has to be.

    Attributes:
        size: Bytes.
    """

    size: int

    @property
    def sent(self) -> bool:
        """Whether any of it has been sent since `body`."""

    def body(self, progress: OnProgress) -> Body:
        """Return it as the body of a request, hashed as it is sent."""

    def checksums(self) -> tuple[Checksum, ...]:
        """Return those of what was sent; fail if it is not what it should be."""

    def starts_with(self, data: memoryview, offset: int) -> bool:
        """Tell whether ``data`` is what it has at ``offset``."""


class LocalFile:
    """An open file.

    Attributes:
        path: Where it is.
        size: Bytes, when it was opened.
    """

    def __init__(self, path: str, fd: int, checksums: tuple[Checksum | str, ...]) -> None:
        self.path, self._fd = path, fd
        self._status = os.fstat(fd)
        if not stat.S_ISREG(self._status.st_mode):
            raise SpecError(f"{path} is no file", hint="what is uploaded has to be one")
        self.size = self._status.st_size
        self._expected = tuple(one for one in checksums if isinstance(one, Checksum))
        names = [one.algorithm if isinstance(one, Checksum) else one for one in checksums]
        self._algorithms = (*names, "adler32")
        self._hasher = Hasher(self._algorithms)
        self._sent = False

    @property
    def sent(self) -> bool:
        """Whether any of it has been sent since `body`."""
        return self._sent

    def starts_with(self, data: memoryview, offset: int) -> bool:
        """Tell whether ``data`` is what the file has at ``offset``."""
        return os.pread(self._fd, len(data), offset) == data

    def body(self, progress: OnProgress) -> Body:
        """Return it as the body of a request, hashed as it is sent."""
        self._sent = False
        return SourceBody(self, progress)

    def blocks(self, progress: OnProgress) -> Iterator[memoryview]:
        """Yield it from the beginning, hashed."""
        self._sent = True
        hasher = self._hasher = Hasher(self._algorithms)
        done = 0
        blocks = (
            self._hashed(hasher) if self.size < WORTH_IT else read_ahead(self._read_at, self.size, hasher)
        )
        for block in blocks:
            done += len(block)
            progress(done, self.size)
            yield block
        if done < self.size:
            raise TransferError(f"{self.path} became shorter while it was uploaded", hint="upload it again")

    def checksums(self) -> tuple[Checksum, ...]:
        """Return those of what was sent.

        Raises:
            Corrupt: It is not what it was to be, or has changed meanwhile.
        """
        if self._hasher.count != self.size:
            for _ in self.blocks(ignore):
                pass  # the server had it already, or wanted nothing
        status = os.fstat(self._fd)
        if (status.st_size, status.st_mtime_ns) != (self.size, self._status.st_mtime_ns):
            raise TransferError(f"{self.path} was changed while it was uploaded", hint="upload it again")
        found = self._hasher.digests()
        for one in self._expected:
            if one not in found:
                raise Corrupt(f"{self.path} does not have the {one.algorithm} {one.value}")
        return found

    def _hashed(self, hasher: Hasher) -> Iterator[memoryview]:
        buffer = memoryview(bytearray(min(BLOCK, self.size)))
        while hasher.count < self.size:
            count = self._read_at(buffer[: self.size - hasher.count], hasher.count)
            if not count:
                return
            hasher.update(buffer[:count])
            yield buffer[:count]

    def _read_at(self, buffer: memoryview, offset: int) -> int:
        try:
            return os.preadv(self._fd, [buffer], offset)
        except OSError as error:
            raise explained(self.path, error) from error


class Blocks(Protocol):
    """What can be read from the beginning, as often as it has to be.

    Attributes:
        size: Bytes.
    """

    size: int

    def blocks(self, progress: OnProgress) -> Iterator[memoryview]:
        """Yield all of it from the beginning."""


class SourceBody:
    """The body of a request that a source reads anew each time that it is sent."""

    def __init__(self, source: Blocks, progress: OnProgress) -> None:
        self.length = source.size
        self._source, self._progress = source, progress

    def blocks(self) -> Iterator[memoryview]:
        """Yield all of it from the beginning."""
        return self._source.blocks(self._progress)

    def file(self) -> tuple[int, int] | None:
        """There is none that can be sent without being looked at."""
        return None


@contextmanager
def opened(path: str, checksums: tuple[Checksum | str, ...]) -> Iterator[LocalFile]:
    """Open the file ``path`` to be uploaded.

    Raises:
        NotThere: There is none.
        SpecError: It is something else.
        TransferError: It cannot be read.
    """
    checksums = tuple(parse(one) if isinstance(one, str) and ":" in one else one for one in checksums)
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise NotThere(f"there is no file {path}") from None
    except OSError as error:
        raise explained(path, error) from error
    try:
        yield LocalFile(path, fd, checksums)
    finally:
        os.close(fd)
