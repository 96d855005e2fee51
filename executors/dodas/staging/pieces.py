"""Which pieces of a file are there, under way, or still to be fetched."""

from __future__ import annotations

import threading

from dodas.values import dataclass

_LEAST, _MOST = 4 << 20, 32 << 20  # bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Bytes of a file from ``start`` up to, and without, ``end``."""

    start: int
    end: int


class Pieces:
    """The pieces of the rest of a file, given away from its beginning on; usable from any thread.

    So what is there without a gap grows almost as if there were one connection.

    Args:
        begin: Where the rest begins.
        size: Where it ends.
    """

    def __init__(self, *, begin: int, size: int) -> None:
        self._lock = threading.Lock()
        self._next, self._size = begin, size
        self._length = min(_MOST, max(_LEAST, (size - begin) // 64))
        self._back: list[Piece] = []
        self._ends: dict[int, int] = {}  # of those that are complete beyond a gap
        self._reached = begin

    def take(self) -> Piece | None:
        """Return a piece that nobody fetches; ``None`` if there is none."""
        with self._lock:
            if self._back:
                self._back.sort(key=lambda piece: piece.start)
                return self._back.pop(0)
            if self._next >= self._size:
                return None
            piece = Piece(start=self._next, end=min(self._size, self._next + self._length))
            self._next = piece.end
            return piece

    def give_back(self, piece: Piece) -> None:
        """Let somebody else fetch a piece."""
        with self._lock:
            self._back.append(piece)

    def complete(self, piece: Piece) -> int:
        """Say that a piece is there; return up to where all is."""
        with self._lock:
            self._ends[piece.start] = piece.end
            while self._reached in self._ends:
                self._reached = self._ends.pop(self._reached)
            return self._reached
