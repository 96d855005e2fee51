"""Where the body of an answer ends (RFC 9112, section 6)."""

from __future__ import annotations

from typing import Protocol

from dodas.staging.channel import Channel
from dodas.staging.cuts import Cut, closed
from dodas.staging.headers import Headers

_CHUNK_DIGITS = 16


class Framing(Protocol):
    """A body as it comes over a connection."""

    @property
    def complete(self) -> bool:
        """Whether all has been read."""

    @property
    def left(self) -> int | None:
        """Bytes that have not been, where that is known."""

    def receive(self, channel: Channel, view: memoryview) -> int:
        """Put the next bytes into ``view``, which has room; return how many, 0 at the end.

        Raises:
            Cut: The connection ended before the body did.
        """


def framing(method: str, status: int, headers: Headers) -> Framing:
    """Return how the body comes.

    Raises:
        Cut: The head contradicts itself, or says what nobody understands.
    """
    if method == "HEAD" or status in (204, 304) or status < 200:
        return Counted(0)
    coding = headers.get("Transfer-Encoding", "").strip().lower()
    if coding:
        if coding != "chunked":
            raise Cut(f"answered in the unknown encoding {coding[:40]!r}")
        return Chunked()
    lengths = set(headers.all("Content-Length"))
    if not lengths:
        return UntilEnd()
    text = lengths.pop()
    if lengths or not (text.isascii() and text.isdecimal()):
        raise Cut("does not say how long its answer is")
    return Counted(int(text))


class Counted:
    """As many bytes as ``Content-Length`` says."""

    def __init__(self, length: int) -> None:
        self.left = length

    @property
    def complete(self) -> bool:
        """Whether all has been read."""
        return not self.left

    def receive(self, channel: Channel, view: memoryview) -> int:
        """See :class:`Framing`."""
        if not self.left:
            return 0
        count = channel.receive(view[: self.left] if self.left < len(view) else view)
        if not count:
            raise closed(f" {self.left} bytes before the end")
        self.left -= count
        return count


class Chunked:
    """Chunks, each with its length before it; an empty one is the last."""

    left = None

    def __init__(self) -> None:
        self._in_chunk = 0
        self._begun = False
        self.complete = False

    def receive(self, channel: Channel, view: memoryview) -> int:
        """See :class:`Framing`."""
        if not self._in_chunk and not self._next(channel):
            return 0
        count = channel.receive(view[: self._in_chunk] if self._in_chunk < len(view) else view)
        if not count:
            raise closed(" in the middle of its answer")
        self._in_chunk -= count
        return count

    def _next(self, channel: Channel) -> bool:
        if self.complete:
            return False
        if self._begun and channel.line():
            raise Cut("sent a chunk longer than it said")
        self._begun = True
        digits = channel.line().partition(b";")[0].strip()
        if not digits or len(digits) > _CHUNK_DIGITS or digits.strip(b"0123456789abcdefABCDEF"):
            raise Cut("sent a chunk without its length")
        self._in_chunk = int(digits, 16)
        if not self._in_chunk:
            while channel.line():
                pass  # trailer fields, which nobody asked for
            self.complete = True
        return not self.complete


class UntilEnd:
    """Everything until the connection ends; whether that was all, nobody knows."""

    left = None

    def __init__(self) -> None:
        self.complete = False

    def receive(self, channel: Channel, view: memoryview) -> int:
        """See :class:`Framing`."""
        count = channel.receive(view)
        self.complete = not count
        return count
