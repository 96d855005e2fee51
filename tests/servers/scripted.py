"""A server that answers with the bytes that a test gives it, right or wrong, and notes what it was asked."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from servers.pki import Pki


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A request; ``connection`` counts connections from 0."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    connection: int


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What happens when a request comes.

    Attributes:
        data: Sent, once the request has been read.
        consent: Sent before the body is read, if the client asks; nothing if empty.
        reads_body: Whether the body is read at all.
        then: ``keep`` the connection, ``close`` it, ``reset`` it, or ``hold`` it open in silence.
    """

    data: bytes = b""
    consent: bytes = b"HTTP/1.1 100 Continue\r\n\r\n"
    reads_body: bool = True
    then: str = "keep"


Reply = Answer | Callable[[Asked], Answer]


def answer(
    status: int = 200, body: bytes = b"", *fields: str, then: str = "keep", reads_body: bool = True
) -> Answer:
    """Return a right answer."""
    lines = [f"HTTP/1.1 {status} Words", f"Content-Length: {len(body)}", *fields, "", ""]
    return Answer(data="\r\n".join(lines).encode() + body, then=then, reads_body=reads_body)


def redirect(url: str, status: int = 302) -> Answer:
    return answer(status, b"", f"Location: {url}")


@dataclass
class Scripted:
    """Gives its replies one after the other, the last one for ever."""

    replies: list[Reply]
    port: int = 0
    secure: bool = False
    asked: list[Asked] = field(default_factory=list)
    connections: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    over: threading.Event = field(default_factory=threading.Event)

    def url(self, path: str = "file", host: str = "localhost") -> str:
        return f"{'https' if self.secure else 'http'}://{host}:{self.port}/{path}"

    @property
    def methods(self) -> list[str]:
        return [one.method for one in self.asked]

    def serve(self, listener: socket.socket, context: ssl.SSLContext | None) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._converse, args=(connection, context), daemon=True).start()

    def _converse(self, connection: socket.socket, context: ssl.SSLContext | None) -> None:
        with self.lock:
            number, self.connections = self.connections, self.connections + 1
        try:
            if context is not None:
                connection = context.wrap_socket(connection, server_side=True)
            with connection.makefile("rb") as stream:
                while self._one(connection, stream, number):
                    pass
        except OSError:
            pass
        finally:
            connection.close()

    def _one(self, connection: socket.socket, stream: Iterator[bytes], number: int) -> bool:
        first = next(stream, b"").decode("latin-1").split()
        if len(first) != 3 or not first[2].startswith("HTTP/"):  # the beginning of TLS may be any three words
            connection.sendall(b"HTTP/1.1 400 Nonsense\r\n\r\n" if first else b"")
            return False
        headers: dict[str, str] = {}
        for line in stream:
            if not line.strip():
                break
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        asked = Asked(method=first[0], target=first[1], headers=headers, body=b"", connection=number)
        with self.lock:
            reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        done = reply(asked) if callable(reply) else reply
        body = b""
        if done.reads_body:
            if "expect" in headers and done.consent:
                connection.sendall(done.consent)
            body = stream.read(int(headers.get("content-length", "0")))  # type: ignore[attr-defined]
        with self.lock:
            self.asked.append(
                Asked(method=first[0], target=first[1], headers=headers, body=body, connection=number)
            )
        connection.sendall(done.data)
        if done.then == "reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif done.then == "hold":
            self.over.wait(60)
        return done.then == "keep"


@contextmanager
def scripted(*replies: Reply, pki: Pki | None = None) -> Iterator[Scripted]:
    """Run one; with ``pki`` it speaks TLS, and takes a client's certificate."""
    server = Scripted(replies=list(replies) or [answer()], secure=pki is not None)
    context = None
    if pki is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pki.host, pki.host_key)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server.port = listener.getsockname()[1]
        thread = threading.Thread(target=server.serve, args=(listener, context), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.over.set()
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
