"""Parts of one large file over several connections, and from several copies, where one alone is slow.

A connection is slow where the way is long, and then several are faster together.  Where it is not, they only
disturb each other; so it begins with one, and others join when it turns out to take long.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from dodas.errors import DodasError, StorageUnreachable
from dodas.staging.checksums import Hasher
from dodas.staging.drafts import Held
from dodas.staging.parts import Part
from dodas.staging.pieces import Piece, Pieces
from dodas.staging.response import Response
from dodas.staging.session import Session
from dodas.staging.urls import Url
from dodas.staging.values import OnProgress

_TRIAL = 1.0  # seconds after which it is known whether one connection will do
_FAST = 64 << 20  # bytes a second; whoever gets as much has no long way
_BLOCK = 256 << 10

# Asks a copy for the bytes from … to …, and fails unless the answer is these bytes of the same file.
Ask = Callable[[Url, int, int], Response]


class Haste:
    """Decides whether others should join.

    Args:
        session: Has the settings.
        size: Bytes of the file, if known.
        start: Where the first connection began.

    Attributes:
        felt: Whether they should.
    """

    def __init__(self, session: Session, size: int | None, start: int) -> None:
        self.felt = False
        self._left_that_matters = session.settings.large if session.settings.streams > 1 else None
        self._size, self._start = size or 0, start
        self._since = time.monotonic()

    def __call__(self, end: int) -> bool:
        """Tell whether it goes too slowly; all until ``end`` is there."""
        if self._left_that_matters is None or self._size - end < self._left_that_matters:
            return False
        passed = time.monotonic() - self._since
        self.felt = passed >= _TRIAL and (end - self._start) < _FAST * passed
        return self.felt


class Ranges:
    """The rest of one file, fetched piece by piece by several threads.

    What is there without a gap is hashed and noted as it grows.

    Args:
        part: Where it goes.
        hasher: Has seen what is there.
        progress: Told of the bytes, by one thread at a time.
        ask: See `Ask`.
        size: Bytes of the whole file.
    """

    def __init__(self, part: Part | Held, hasher: Hasher, progress: OnProgress, ask: Ask, size: int) -> None:
        self._part, self._hasher, self._progress, self._ask = part, hasher, progress, ask
        self._size = size
        self._pieces = Pieces(begin=hasher.count, size=size)
        self._turn = threading.Lock()  # to hash and to tell
        self._over = threading.Event()
        self._passed = hasher.count
        self._fatal: BaseException | None = None

    def run(self, response: Response, sources: Sequence[Url], streams: int) -> None:
        """Fetch the rest.

        Args:
            response: The first connection, which brings what follows what is there.
            sources: Copies of the file, at least one; the first one is behind ``response``.
            streams: How many connections.

        Raises:
            DodasError: It did not come to the end; what is there without a gap stays.
        """
        self._part.note_prefix(self._hasher.count)
        first = self._pieces.take()
        helpers = [
            threading.Thread(target=self._help, args=(sources[number % len(sources)],), daemon=True)
            for number in range(1, streams)
        ]
        for helper in helpers:
            helper.start()
        try:
            if first is not None:
                self._do(first, response)
                response.close()
            self._work(sources[0])
            for helper in helpers:
                helper.join()
            self._work(sources[0])  # what a helper has left
        finally:
            self._over.set()
            for helper in helpers:
                helper.join()
        if self._fatal is not None:
            raise self._fatal

    def _help(self, source: Url) -> None:
        """Do pieces until there is none; a copy that fails is left to the others."""
        try:
            self._work(source)
        except DodasError as error:
            if not isinstance(error, StorageUnreachable):
                self._fatal = self._fatal or (None if error.retryable else error)
        except BaseException as error:  # raised in the thread that waits
            self._fatal = error

    def _work(self, source: Url) -> None:
        while not self._over.is_set() and self._fatal is None:
            piece = self._pieces.take()
            if piece is None:
                return
            try:
                with self._ask(source, piece.start, piece.end) as response:
                    self._do(piece, response)
            except BaseException:
                self._pieces.give_back(piece)
                raise

    def _do(self, piece: Piece, response: Response) -> None:
        """Write one piece; of the answer no more than that is read."""
        buffer = memoryview(bytearray(_BLOCK))
        end = piece.start
        while end < piece.end and not self._over.is_set():
            count = response.readinto(buffer[: piece.end - end])
            if not count:
                raise StorageUnreachable(f"{response.endpoint} sent less than it said")
            self._part.write(buffer[:count], end)
            end += count
            self._tell(count)
        if end == piece.end:
            self._complete(piece)

    def _tell(self, count: int) -> None:
        with self._turn:
            self._passed += count
            self._progress(min(self._passed, self._size), self._size)

    def _complete(self, piece: Piece) -> None:
        with self._turn:
            reached = self._pieces.complete(piece)
            if reached > self._hasher.count:
                self._part.hash(self._hasher, reached)
                with suppress(DodasError):
                    self._part.note_prefix(reached)
