"""How a request is passed on, and an answer passed back, with what goes wrong with them."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from servers.answering import Answering
from servers.faults import HONEST

if TYPE_CHECKING:
    from servers.faulty import Faulty

_BLOCK = 65536
_OF_THE_CONNECTION = frozenset({"connection", "keep-alive", "transfer-encoding", "host", "expect"})


class _Cut(ConnectionError):
    """The connection is to be cut."""


class Passing(Answering):
    """Passes a request on, and an answer back, with what goes wrong with it."""

    owner: Faulty
    fault = HONEST

    def pass_on(self) -> None:
        """Do it for one request of any method."""
        self.fault = self.owner.strike(self.command, self.path)
        try:
            self._answer_it()
        except (_Cut, OSError, http.client.HTTPException):
            self.close_connection = True

    on_get = on_head = on_put = on_delete = on_mkcol = on_propfind = pass_on
    on_move = on_copy = on_options = on_post = on_lock = on_unlock = pass_on

    def _answer_it(self) -> None:
        fault = self.fault
        if fault.raw is not None:
            self.wfile.write(fault.raw)
            raise _Cut
        if fault.status is not None:
            if not fault.early:
                self._read_all()
            self._send(fault.status, dict(fault.headers), iter([fault.body or b""]), len(fault.body or b""))
            if fault.early:
                self._read_all()
            return
        connection = self._connect()
        try:
            self._ask(connection)
            if fault.lose_answer:
                raise _Cut
            self._give(connection.getresponse())
        finally:
            connection.close()

    def _connect(self) -> http.client.HTTPConnection:
        parts = urlsplit(self.owner.behind.url())
        if parts.scheme == "https":
            assert self.owner.tls is not None, "it was given no pki, but stands before a server with TLS"
            return http.client.HTTPSConnection(parts.netloc, timeout=60, context=self.owner.tls)
        return http.client.HTTPConnection(parts.netloc, timeout=60)

    def _ask(self, connection: http.client.HTTPConnection) -> None:
        connection.putrequest(self.command, self.path, skip_accept_encoding=True)
        for name, value in self.headers.items():
            if name.lower() not in _OF_THE_CONNECTION:
                connection.putheader(name, self._towards(name, value))
        connection.endheaders()
        for block in self._body():
            connection.send(block)

    def _towards(self, name: str, value: str) -> str:
        """Return a header as the server behind must see it."""
        if name.lower() != "destination":
            return value
        return value.replace(self.owner.origin, self.owner.behind.url().rstrip("/"))

    def _body(self) -> Iterator[bytes]:
        """Yield the body of the request as it comes."""
        if self.expects() and not self.fault.no_continue:
            self.send_response_only(http.HTTPStatus.CONTINUE)
            self.end_headers()
        yield from self._until_it_breaks(self._incoming(), broken=self.fault.cut_request)

    def _incoming(self) -> Iterator[bytes]:
        left = self.length()
        while left and (block := self.rfile.read1(min(left, _BLOCK))):
            left -= len(block)
            yield block

    def _read_all(self) -> None:
        if not self.expects() or self.fault.no_continue:
            for _ in self._body():
                pass

    def _give(self, response: http.client.HTTPResponse) -> None:
        """Pass an answer back."""
        headers = {
            name: value for name, value in response.getheaders() if name.lower() not in _OF_THE_CONNECTION
        }
        body, length = iter(lambda: response.read(_BLOCK), b""), response.length or 0
        if self.fault.body is not None:
            body, length = iter([self.fault.body]), len(self.fault.body)
        elif self.command == "HEAD":
            length = int(response.headers.get("Content-Length", 0))
        elif response.length is None:  # it came in chunks
            whole = response.read()
            body, length = iter([whole]), len(whole)
        self._send(response.status, {**headers, **self.fault.headers}, body, length)

    def _send(self, status: int, headers: dict[str, str], body: Iterator[bytes], length: int) -> None:
        """Send an answer, as well as it can be."""
        fault = self.fault
        self.send_response(status)
        left_out = {"content-length", *(name.lower() for name in fault.without)}
        for name, value in headers.items():
            if name.lower() not in left_out:
                self.send_header(name, value)
        if fault.chunked:
            self.send_header("Transfer-Encoding", "chunked")
        elif "content-length" not in {name.lower() for name in fault.without}:
            self.send_header("Content-Length", str(length if fault.length is None else fault.length))
        else:
            self.close_connection = True
        if fault.early or fault.length is not None:
            self.close_connection = True
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self._send_body(body)

    def _send_body(self, body: Iterator[bytes]) -> None:
        for block in self._until_it_breaks(body, broken=not self.fault.cut_request):
            self.wfile.write(b"%x\r\n%s\r\n" % (len(block), block) if self.fault.chunked else block)
        if self.fault.chunked:
            self.wfile.write(b"0\r\n\r\n")

    def _until_it_breaks(self, blocks: Iterator[bytes], *, broken: bool) -> Iterator[bytes]:
        """Yield blocks, with the faults of this direction if it is the one that is broken."""
        fault, passed = self.fault, 0
        for block in blocks:
            kept = bytearray(block)
            if broken and fault.flip is not None and passed <= fault.flip < passed + len(kept):
                kept[fault.flip - passed] ^= 1
            yield from self._pieces(bytes(kept), passed) if broken else [block]
            passed += len(block)
        if broken and fault.cut_after is not None and passed <= fault.cut_after:
            raise _Cut

    def _pieces(self, block: bytes, passed: int) -> Iterator[bytes]:
        """Yield a block that begins after ``passed`` bytes up to where it hangs or is cut."""
        fault = self.fault
        stops = [stop for stop in (fault.hang_after, fault.cut_after) if stop is not None]
        for stop in sorted(stops):
            at = stop - passed
            if 0 <= at < len(block):
                yield block[:at]
                self._stop_here(stop)
                block, passed = block[at:], stop
        yield block

    def _stop_here(self, at: int) -> None:
        with suppress(OSError):
            self.wfile.flush()
        if at == self.fault.cut_after:
            raise _Cut
        self.fault.gate.wait()
