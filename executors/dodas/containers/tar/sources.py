"""Archive bytes in order, from a running decompression or from a file that can be skipped through."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

from dodas.containers.tar.faults import TarFault

_BLOCK = 512


class Pieces:
    """Bytes that arrive in pieces; see `dodas.containers.tar.members.Source`."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._piece = b""
        self._at = 0
        self._before = 0  # bytes in earlier pieces

    @property
    def position(self) -> int:
        """Bytes taken and skipped so far."""
        return self._before + self._at

    def block(self) -> bytes:
        """Return the next 512 bytes, or nothing at the end."""
        start = self._at
        end = start + _BLOCK
        if end <= len(self._piece):
            self._at = end
            return self._piece[start:end]
        if start == len(self._piece) and not self._refill():
            return b""
        return self.take(_BLOCK)

    def take(self, count: int) -> bytes:
        """Return exactly ``count`` bytes."""
        taken = bytearray()
        self.copy(count, taken.extend)
        return bytes(taken)

    def copy(self, count: int, write: Callable[[memoryview], object]) -> None:
        """Give exactly ``count`` bytes to ``write``, in pieces."""
        while count:
            available = len(self._piece) - self._at
            if not available:
                if not self._refill():
                    raise TarFault("the archive ends too early")
                continue
            now = min(available, count)
            write(memoryview(self._piece)[self._at : self._at + now])
            self._at += now
            count -= now

    def skip_to(self, position: int) -> None:
        """Pass over what is before ``position``."""
        ahead = position - self.position
        if ahead > 0:
            self.copy(ahead, _nowhere)

    def drain(self) -> None:
        """Pass over all that is left."""
        while self._refill():
            pass

    def _refill(self) -> bool:
        self._before += len(self._piece)
        self._at = 0
        self._piece = next(self._pieces, b"")
        return bool(self._piece)


class Seekable:
    """A file; see `dodas.containers.tar.members.Source`."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._size = os.fstat(fd).st_size
        self.position = 0

    def block(self) -> bytes:
        """Return the next 512 bytes, or nothing at the end."""
        return self.take(_BLOCK) if self.position < self._size else b""

    def take(self, count: int) -> bytes:
        """Return exactly ``count`` bytes."""
        taken = os.pread(self._fd, count, self.position)
        if len(taken) < count:
            raise TarFault("the archive ends too early")
        self.position += count
        return taken

    def skip_to(self, position: int) -> None:
        """Go on at ``position``."""
        if position > self._size:
            raise TarFault("the archive ends too early")
        self.position = position


def _nowhere(piece: memoryview) -> None:
    """Forget the bytes."""
