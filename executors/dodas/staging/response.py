"""An answer: its head, and its body as it comes."""

from __future__ import annotations

import sys

from dodas.errors import StorageUnreachable
from dodas.staging.cuts import Cut
from dodas.staging.framing import Framing, UntilEnd
from dodas.staging.headers import Headers
from dodas.staging.pool import Lease
from dodas.staging.urls import Url
from dodas.staging.wire import Head

_BLOCK = 256 << 10
_UNTOLD = 16 << 10
_WORTH_READING = 64 << 10  # bytes; beyond, another connection is cheaper


class Response:
    """What a server answered; holds a connection until its body has been read, or it is closed.

    A body that ends too early, or not where it should, raises ``StorageUnreachable``: what has been read is
    all there was only when :meth:`readinto` has returned 0, or :meth:`read` nothing.

    Attributes:
        method: What was asked.
        status: Its number.
        reason: Its words.
        headers: Its fields.
        url: Who answered, after all redirections; a secret if :attr:`Url.is_signed`.
        hops: Who was asked before, the first one first.
        length: Bytes of the body, none after ``HEAD``; ``None`` if the server does not say.
    """

    def __init__(
        self, method: str, url: Url, head: Head, body: Framing, lease: Lease, *, hops: tuple[Url, ...] = ()
    ) -> None:
        self.method = method
        self.status = head.status
        self.reason = head.reason
        self.headers: Headers = head.headers
        self.url = url
        self.hops = hops
        self.length = body.left
        self.words: str | None = None
        self._body = body
        self._reusable = head.reusable and not isinstance(body, UntilEnd)
        self._lease: Lease | None = lease
        if body.complete:
            self._end(reusable=self._reusable)

    def __enter__(self) -> Response:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def endpoint(self) -> str:
        """Who answered, as it may be shown."""
        return self.url.redacted

    def readinto(self, buffer: bytearray | memoryview) -> int:
        """Read at least a byte into ``buffer``, which is not empty; return how many, 0 at the end.

        Raises:
            StorageUnreachable: The connection broke before the end of the body, or was closed.
        """
        if self._lease is None:
            if self._body.complete:
                return 0
            raise StorageUnreachable(f"the connection to {self.url.authority} has been closed")
        try:
            count = self._body.receive(self._lease.channel, memoryview(buffer))
        except Cut as cut:
            self._end(reusable=False)
            raise StorageUnreachable(
                f"{self.url.authority} {cut.reason} while it sent {self.endpoint}",
                hint="try again; what has been received so far is kept where that helps",
            ) from None
        except BaseException:
            self._end(reusable=False)
            raise
        if self._body.complete:
            self._end(reusable=self._reusable)
        return count

    def read(self, size: int = -1) -> bytes:
        """Return the next ``size`` bytes, fewer only at the end; all that is left if it is negative.

        Raises:
            StorageUnreachable: As :meth:`readinto`.
        """
        parts: list[bytes] = []
        wanted = sys.maxsize if size < 0 else size
        while wanted and not self._body.complete:
            left = self._body.left
            buffer = bytearray(min(wanted, _BLOCK, _UNTOLD if left is None else left))
            count = self.readinto(buffer)
            wanted -= count
            parts.append(bytes(buffer) if count == len(buffer) else bytes(memoryview(buffer)[:count]))
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def drain(self) -> None:
        """Have done with the answer: read what little is left of it, so that the connection can be kept."""
        left = _WORTH_READING
        buffer = memoryview(bytearray(min(left, 16 << 10)))
        try:
            while self._lease is not None and left > 0 and (self._body.left or 0) <= left:
                left -= self.readinto(buffer)
        except StorageUnreachable:
            pass  # of no interest any more
        self._end(reusable=False)

    def close(self) -> None:
        """Have done with the answer; the connection is closed unless all has been read."""
        self._end(reusable=False)

    def _end(self, *, reusable: bool) -> None:
        lease, self._lease = self._lease, None
        if lease is None:
            return
        if reusable:
            lease.give_back()
        else:
            lease.drop()
