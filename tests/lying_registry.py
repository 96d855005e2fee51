"""A registry that does to its clients what networks and broken servers do."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from registry_server import OCI, Image

Lie = Callable[["Handler", bytes], None]


class Liar:
    """Serves one image under every name and tag.

    ``lies`` holds what to do instead, by what the path contains: each lie is told once, in order; the last
    one for ever if ``for_ever``.
    """

    def __init__(self, image: Image) -> None:
        self.image = image
        self.lies: dict[str, list[Lie]] = {}
        self.for_ever = False
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.released = threading.Event()  # ends what stalls
        self.stalled = threading.Event()  # set when something stalls
        self.host = ""

    def content(self, path: str) -> tuple[bytes, str] | None:
        last = path.partition("?")[0].rpartition("/")[2]
        if "/manifests/" in path:
            return self.image.manifest, f"{OCI}manifest.v1+json"
        if "/blobs/" in path and last in self.image.blobs:
            return self.image.blobs[last], "application/octet-stream"
        return (b"{}", "application/json") if path == "/v2/" else None

    def lie(self, path: str) -> Lie | None:
        for part, lies in self.lies.items():
            if part in path and lies:
                return lies[0] if self.for_ever and len(lies) == 1 else lies.pop(0)
        return None

    def asked(self, part: str) -> list[dict[str, str]]:
        """Return the headers of the requests whose path contains ``part``."""
        return [headers for path, headers in self.requests if part in path]


class Handler(BaseHTTPRequestHandler):
    """Answers one connection."""

    protocol_version = "HTTP/1.1"
    liar: Liar

    def do_GET(self) -> None:
        self.liar.requests.append((self.path, dict(self.headers.items())))
        found = self.liar.content(self.path)
        lie = self.liar.lie(self.path)
        if lie is not None:
            lie(self, found[0] if found else b"")
        elif found is None:
            self.reply(404, b'{"errors": [{"code": "NAME_UNKNOWN"}]}')
        else:
            self.serve(*found)

    do_POST = do_GET  # noqa: N815

    def serve(self, content: bytes, kind: str = "application/octet-stream") -> None:
        """Answer rightly, a request for the rest of a blob as well."""
        start = int((self.headers.get("Range") or "bytes=0-")[6:-1])
        if not start:
            self.reply(200, content, {"Content-Type": kind})
            return
        extent = f"bytes {start}-{len(content) - 1}/{len(content)}"
        self.reply(206, content[start:], {"Content-Type": kind, "Content-Range": extent})

    def reply(self, status: int, content: bytes = b"", headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def hang_up(self) -> None:
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def truncated(handler: Handler, content: bytes) -> None:
    """Promise all, send the first half, hang up."""
    start = int((handler.headers.get("Range") or "bytes=0-")[6:-1])
    rest = content[start:]
    handler.send_response(206 if start else 200)
    handler.send_header("Content-Length", str(len(rest)))
    if start:
        handler.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
    handler.end_headers()
    handler.wfile.write(rest[: len(rest) // 2])
    handler.hang_up()


def short(handler: Handler, content: bytes) -> None:
    """Send the first half as if it were all."""
    handler.reply(200, content[: len(content) // 2])


def from_the_start(handler: Handler, content: bytes) -> None:
    """Know nothing of ranges."""
    handler.reply(200, content)


def longer(handler: Handler, content: bytes) -> None:
    handler.reply(200, content + b"and more")


def corrupt(handler: Handler, content: bytes) -> None:
    handler.reply(200, content[:-1] + bytes([content[-1] ^ 1]))


def web_page(handler: Handler, _: bytes) -> None:
    handler.reply(200, b"<!DOCTYPE html><html>Please sign in</html>", {"Content-Type": "text/html"})


def stalled(handler: Handler, content: bytes) -> None:
    """Send the first half, then nothing, and keep the connection."""
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(content)))
    handler.end_headers()
    handler.wfile.write(content[: len(content) // 2])
    handler.wfile.flush()
    handler.liar.stalled.set()
    handler.liar.released.wait()
    handler.hang_up()


def status(code: int, **headers: str) -> Lie:
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda handler, _: handler.reply(code, b"{}", fields)


def redirect(to: str) -> Lie:
    return lambda handler, _: handler.reply(307, b"", {"Location": to})


def hang_up(handler: Handler, _: bytes) -> None:
    handler.hang_up()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that hang up are no news."""


@contextmanager
def run_liar(image: Image) -> Iterator[Liar]:
    liar = Liar(image)
    handler = type("BoundHandler", (Handler,), {"liar": liar})
    server = _Server(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    liar.host = f"127.0.0.1:{server.server_address[1]}"
    try:
        yield liar
    finally:
        liar.released.set()
        server.shutdown()
        thread.join()
        server.server_close()
