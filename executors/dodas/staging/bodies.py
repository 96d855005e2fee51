"""What is sent along with a request, as often as it has to be."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Protocol

from dodas.errors import SpecError, TransferError

BLOCK = 1 << 20
Observer = Callable[[memoryview], object]


class Body(Protocol):
    """Bytes whose number is known before they are sent."""

    length: int

    def blocks(self) -> Iterator[memoryview]:
        """Yield all of it from the beginning, each block valid until the next one.

        Raises:
            TransferError: It cannot be read, or is shorter than it was.
        """

    def file(self) -> tuple[int, int] | None:
        """Return a descriptor and an offset for the kernel to send it; ``None`` if it has to be read."""


class BytesBody:
    """Bytes in memory."""

    def __init__(self, data: bytes) -> None:
        self._data = memoryview(data)
        self.length = len(data)

    def blocks(self) -> Iterator[memoryview]:
        """Yield it."""
        for start in range(0, self.length, BLOCK):
            yield self._data[start : start + BLOCK]

    def file(self) -> tuple[int, int] | None:
        """There is none."""
        return None


class FileBody:
    """A file, or a part of one.

    Args:
        file: Its path, opened once and closed by :meth:`close`; or a descriptor, which stays open and whose
            position does not matter.
        offset: Where the part begins.
        length: How long it is; ``None`` for all that follows.
        observer: Given each byte exactly once and in order, however often the file has to be sent.
    """

    def __init__(
        self,
        file: str | os.PathLike[str] | int,
        *,
        offset: int = 0,
        length: int | None = None,
        observer: Observer | None = None,
    ) -> None:
        self._name = f"descriptor {file}" if isinstance(file, int) else os.fspath(file)
        self._owned = not isinstance(file, int)
        try:
            self._descriptor = file if isinstance(file, int) else os.open(file, os.O_RDONLY | os.O_CLOEXEC)
            size = os.fstat(self._descriptor).st_size
        except OSError as error:
            raise TransferError(f"{self._name} cannot be read: {error.strerror}") from None
        self._offset = offset
        self._observer = observer
        self._observed = 0
        self.length = max(0, size - offset) if length is None else length
        if offset < 0 or self.length < 0:
            self.close()
            raise SpecError(f"{self._name} has no part from {offset} of {self.length} bytes")

    def __enter__(self) -> FileBody:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file if this opened it; twice is no error."""
        if self._owned and self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def blocks(self) -> Iterator[memoryview]:
        """Yield the bytes, as they are in the file now."""
        buffer = memoryview(bytearray(min(BLOCK, self.length)))
        done = 0
        while done < self.length:
            block = buffer[: self._read(buffer[: self.length - done], done)]
            if not block:
                raise TransferError(f"{self._name} became shorter while it was sent")
            done += len(block)
            self._observe(block, done)
            yield block

    def file(self) -> tuple[int, int] | None:
        """Return the file, unless somebody wants to see the bytes."""
        return None if self._observer else (self._descriptor, self._offset)

    def _read(self, view: memoryview, done: int) -> int:
        try:
            return os.preadv(self._descriptor, [view], self._offset + done)
        except OSError as error:
            raise TransferError(f"{self._name} cannot be read: {error.strerror}") from None

    def _observe(self, block: memoryview, done: int) -> None:
        new = done - self._observed
        if self._observer is not None and new > 0:
            self._observer(block[-new:] if new < len(block) else block)
            self._observed = done
