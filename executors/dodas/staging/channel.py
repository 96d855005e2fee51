"""A connection and the bytes that came over it too early.  It reads into the memory that it is given."""

from __future__ import annotations

import os
import select
import socket
import ssl
import time
from collections.abc import Callable
from functools import partial

from dodas.staging.cuts import Cut, closed, cut_of

_AHEAD = 16 << 10  # bytes read beyond what was asked for, where that saves a call
_LONGEST_HEAD = 256 << 10


class Channel:
    """An open connection without encryption; one thread at a time uses it.

    Every method that reads or writes raises :class:`Cut` when the other side is gone or silent.

    Attributes:
        idle: Longest silence of the other side, in seconds.
        used: Whether it was lent before.
        idle_since: When it was given back, on the monotonic clock.
    """

    can_send_files = True

    def __init__(self, connection: socket.socket, *, idle: float) -> None:
        # Python's own time limits ask the kernel before each call whether it would wait.
        connection.setblocking(False)
        self._connection = connection
        self.idle = idle
        self._buffer = bytearray(_AHEAD)
        self._start = self._end = 0
        self._input: select.poll | None = None
        self.used = False
        self.idle_since = time.monotonic()

    def send(self, data: bytes) -> None:
        """Send all of ``data``."""
        try:
            view = memoryview(data)[self._connection.send(data) :]  # nearly always all of it
        except OSError:
            view = memoryview(data)
        while view:
            view = view[self._try(partial(self._connection.send, view), select.POLLOUT) or 0 :]

    def send_some(self, view: memoryview) -> int | None:
        """Send the beginning of ``view``, as much as is taken at once.

        Returns:
            How many bytes; ``None`` if nothing is taken, but something has come that should be read.
        """
        return self._try(partial(self._connection.send, view), select.POLLOUT, watch=True)

    def send_file(self, descriptor: int, offset: int, count: int) -> int | None:
        """Send at most ``count`` bytes of a file without reading them; as :meth:`send_some`, 0 at its end."""
        send = partial(os.sendfile, self._connection.fileno(), descriptor, offset, count)
        return self._try(send, select.POLLOUT, watch=True)

    def receive(self, view: memoryview) -> int:
        """Put what there is into ``view``, at least a byte; return how many, 0 at the end."""
        held = self._end - self._start
        if not held:
            return self._receive(view)
        count = min(held, len(view))
        view[:count] = memoryview(self._buffer)[self._start : self._start + count]
        self._start += count
        return count

    def head(self) -> bytes:
        """Return what comes before the next empty line: status line and header fields."""
        if self._start == self._end:
            self._await()
        searched = self._start
        while True:
            for end in (b"\r\n\r\n", b"\n\n"):
                at = self._buffer.find(end, max(self._start, searched - 3), self._end)
                if at >= 0:
                    head = bytes(memoryview(self._buffer)[self._start : at])
                    self._start = at + len(end)
                    return head
            searched = self._more()

    def line(self) -> bytes:
        """Return the next line, without its end."""
        while True:
            at = self._buffer.find(b"\n", self._start, self._end)
            if at >= 0:
                line = bytes(memoryview(self._buffer)[self._start : at]).rstrip(b"\r")
                self._start = at + 1
                return line
            self._more()

    def _more(self) -> int:
        """Read on into the buffer; return where the new bytes begin."""
        self._make_room()
        before = self._end
        count = self._receive(memoryview(self._buffer)[before:])
        if not count:
            raise closed()
        self._end += count
        return before

    def _make_room(self) -> None:
        if self._start == self._end:
            self._start = self._end = 0
        elif self._start:
            held = self._buffer[self._start : self._end]
            self._buffer[: len(held)] = held
            self._start, self._end = 0, len(held)
        if self._end == len(self._buffer):
            if self._end >= _LONGEST_HEAD:
                raise Cut("sent a line or header that has no end")
            self._buffer.extend(bytes(len(self._buffer)))

    def has_input(self, seconds: float = 0.0) -> bool:
        """Tell whether something has come, also the end, after waiting at most so long."""
        return self._start < self._end or self._is_readable(seconds)

    def is_clean(self) -> bool:
        """Tell whether the connection is as idle as it should be between two requests."""
        try:
            return not self.has_input()
        except Cut:
            return False

    def close(self) -> None:
        """End the connection."""
        self._connection.close()

    def _receive(self, view: memoryview) -> int:
        return self._try(partial(self._connection.recv_into, view), select.POLLIN) or 0

    def _is_readable(self, seconds: float) -> bool:
        return bool(self._poll(select.POLLIN, seconds))

    def _await(self) -> None:
        """Wait until something comes: an answer takes its time, and to look in vain costs more."""
        if not self._poll(select.POLLIN, self.idle):
            raise Cut("fell silent")

    def _try(self, call: Callable[[], int], event: int, *, watch: bool = False) -> int | None:
        """Return what ``call`` does, once the connection lets it; ``None`` if it is to read before."""
        while True:
            try:
                return call()
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError) as busy:
                wanted = _EVENTS.get(type(busy), event)
            except OSError as error:
                raise cut_of(error) from None
            ready = self._poll(wanted | select.POLLIN if watch else wanted, self.idle)
            if not ready:
                raise Cut("fell silent")
            if watch and not ready & ~select.POLLIN and self.has_input():
                return None

    def _poll(self, events: int, seconds: float) -> int:
        if events != select.POLLIN:
            poll = select.poll()
            poll.register(self._connection, events)
        elif self._input is None:
            poll = self._input = select.poll()
            poll.register(self._connection, events)
        else:
            poll = self._input
        return sum(event for _descriptor, event in poll.poll(seconds * 1000))


_EVENTS: dict[type[OSError], int] = {
    ssl.SSLWantReadError: select.POLLIN,
    ssl.SSLWantWriteError: select.POLLOUT,
}


class EncryptedChannel(Channel):
    """An open connection through TLS."""

    can_send_files = False
    _connection: ssl.SSLSocket

    def _await(self) -> None:
        if not self._connection.pending():
            super()._await()

    def _receive(self, view: memoryview) -> int:
        # TLS gives its data in records of 16 KiB at most: all are taken that are there.
        count = self._try(partial(self._connection.recv_into, view), select.POLLIN) or 0
        more = count
        while more and count < len(view):
            try:
                more = self._connection.recv_into(view[count:])
            except OSError:
                break  # nothing more now; if it is worse than that, the next call will say
            count += more
        return count

    def _is_readable(self, seconds: float) -> bool:
        # What comes may belong to TLS itself, such as tickets for later sessions.
        deadline = time.monotonic() + seconds
        self._make_room()
        while True:
            try:
                self._end += self._connection.recv_into(memoryview(self._buffer)[self._end :])
            except ssl.SSLWantReadError:
                left = deadline - time.monotonic()
                if left <= 0 or not self._poll(select.POLLIN, left):
                    return False
            except OSError as error:
                raise cut_of(error) from None
            else:
                return True
