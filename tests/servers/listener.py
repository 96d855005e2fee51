"""An HTTP server in this process, on a port of loopback, that can be stopped in the middle of a sentence."""

from __future__ import annotations

import socket
import ssl
import sys
import threading
from contextlib import suppress
from http.server import ThreadingHTTPServer
from typing import Any

from servers.answering import Answering
from servers.asked import Request
from servers.pki import Pki
from servers.ports import free_port


class Listener:
    """Answers with a handler, each connection in a thread; over TLS if there are certificates.

    Args:
        handler: Asked to answer; it finds this listener as ``self.listener``.
        pki: Makes it speak https alone.
        owner: For the handler, as ``self.owner``.
    """

    def __init__(self, handler: type[Answering], *, pki: Pki | None = None, owner: object = None) -> None:
        self.port = free_port()
        self.scheme = "https" if pki else "http"
        self.asked: list[Request] = []
        self._handler = type("Handler", (handler,), {"listener": self, "owner": owner})
        self._tls = _context(pki) if pki else None
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        return f"{self.scheme}://localhost:{self.port}"

    @property
    def running(self) -> bool:
        """Whether it listens."""
        return self._server is not None

    def start(self) -> None:
        """Listen; if it does, nothing happens."""
        if self._server is not None:
            return
        self._server = _Server(("127.0.0.1", self.port), self._handler, self._tls)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()

    def stop(self) -> None:
        """Listen no more, and cut what is connected."""
        server, self._server = self._server, None
        if server is None or self._thread is None:
            return
        server.shutdown()
        self._thread.join()
        server.cut()
        server.server_close()


class _Server(ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True

    def __init__(
        self, address: tuple[str, int], handler: type[Answering], tls: ssl.SSLContext | None
    ) -> None:
        self._tls = tls
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__(address, handler)

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Answer on a connection; runs in a thread of its own, and so does the handshake."""
        connection = request
        if self._tls is not None:
            connection = self._tls.wrap_socket(request, server_side=True, do_handshake_on_connect=False)
        with self._lock:
            self._open.add(connection)
        try:
            if isinstance(connection, ssl.SSLSocket):
                connection.do_handshake()
            super().finish_request(connection, client_address)
        finally:
            with self._lock:
                self._open.discard(connection)
            if connection is not request:
                connection.close()

    def shutdown_request(self, request: Any) -> None:
        """Close a connection, which may have been closed under another name."""
        with suppress(OSError):
            super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Be silent on connections that were cut, by either side, and loud on mistakes."""
        if not isinstance(sys.exc_info()[1], OSError | ValueError):
            super().handle_error(request, client_address)

    def cut(self) -> None:
        """Cut all connections."""
        with self._lock:
            for connection in self._open:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)


def _context(pki: Pki) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pki.host, pki.host_key)
    return context
