"""How a server of this process answers one request after the other on a connection."""

from __future__ import annotations

from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from servers.asked import Request

if TYPE_CHECKING:
    from servers.listener import Listener

NOTHING: Mapping[str, str] = MappingProxyType({})
_LONGEST_LINGER = 16 << 20  # bytes of a body that are taken after the answer, and thrown away


class Answering(BaseHTTPRequestHandler):
    """Notes each request, and answers PROPFIND with its method ``on_propfind``, and so on.

    ``Expect: 100-continue`` is left to these methods, which know whether they want a body.
    """

    protocol_version = "HTTP/1.1"
    listener: Listener
    owner: Any

    def parse_request(self) -> bool:
        """Note what is asked for before anything is answered."""
        good = super().parse_request()
        if good:
            headers = MappingProxyType({name.lower(): value for name, value in self.headers.items()})
            self.listener.asked.append(Request(method=self.command, path=self.path, headers=headers))
        return good

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):
            return getattr(self, f"on_{name[3:].lower()}")
        raise AttributeError(name)

    def handle_expect_100(self) -> bool:
        """Go on without asking for the body."""
        return True

    def answer(self, status: int, body: bytes = b"", headers: Mapping[str, str] = NOTHING) -> None:
        """Answer, and be done.

        A body that the client did not hold back is taken and thrown away afterwards, as Apache does it.
        """
        unread = self.length() if not self.expects() else 0
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if "Content-Length" not in headers:
            self.send_header("Content-Length", str(len(body)))
        if self.length():
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        self.wfile.flush()
        self._throw_away(unread)

    def expects(self) -> bool:
        """Tell whether the client waits before it sends the body."""
        return self.headers.get("Expect", "").lower() == "100-continue"

    def length(self) -> int:
        """Return the bytes of the body of the request."""
        return int(self.headers.get("Content-Length", 0))

    def _throw_away(self, size: int) -> None:
        left = min(size, _LONGEST_LINGER)
        while left > 0 and (block := self.rfile.read(min(left, 65536))):
            left -= len(block)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""
