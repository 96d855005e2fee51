"""What this package uses of ``requests`` and ``urllib3``, made of the standard library, for bare nodes.

One connection for each request, proxies as the environment says, certificates always checked.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import IO, Any
from urllib.parse import urlencode


class HTTPError(OSError):
    """A request failed."""


class ProtocolError(HTTPError):
    """The connection broke off, or what came over it was no HTTP."""


class _Never(Exception):
    """What the standard library has no class of its own for."""


exceptions = SimpleNamespace(
    RequestException=HTTPError,
    HTTPError=HTTPError,
    ProtocolError=ProtocolError,
    ProxyError=_Never,
    ConnectTimeout=_Never,
    ConnectTimeoutError=_Never,
    ReadTimeout=socket.timeout,
    ReadTimeoutError=socket.timeout,
)


class _Raw:
    """The body of an answer."""

    def __init__(self, answer: http.client.HTTPResponse) -> None:
        self._answer = answer

    def read(self, amount: int | None = None, *, decode_content: bool = False) -> bytes:
        """Return the next bytes as they are; none at the end."""
        try:
            return self._answer.read(amount)
        except (http.client.HTTPException, ValueError) as error:
            raise ProtocolError("the body broke off") from error

    def close(self) -> None:
        self._answer.close()


class Response:
    """An answer; its body is read when asked for."""

    def __init__(self, url: str, answer: http.client.HTTPResponse) -> None:
        self.url = url
        self.status_code: int = answer.status
        self.headers = answer.headers
        self.raw: _Raw | IO[bytes] = _Raw(answer)

    @property
    def ok(self) -> bool:
        """Whether the status says so."""
        return self.status_code < 400

    @property
    def is_redirect(self) -> bool:
        """Whether the answer is at another address."""
        return "Location" in self.headers and self.status_code in (301, 302, 303, 307, 308)

    @property
    def content(self) -> bytes:
        """The body, whole."""
        self._content: bytes = getattr(self, "_content", None) or self.raw.read()
        return self._content

    def json(self) -> Any:
        """Return the body as JSON."""
        return json.loads(self.content)

    def close(self) -> None:
        """End the connection."""
        self.raw.close()


class Session:
    """Sends requests."""

    def __init__(self) -> None:
        self.headers: dict[str, str] = {}

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        auth: Callable[[Any], Any],
        data: Mapping[str, str] | None,
        proxies: Mapping[str, None] | None,
        timeout: tuple[float, float],
        allow_redirects: bool,
        stream: bool,
    ) -> Response:
        """Send one request and return the answer, whatever its status; redirections are not followed."""
        prepared = SimpleNamespace(headers={**self.headers, **headers})
        auth(prepared)
        body = urlencode(data).encode() if data else None
        request = urllib.request.Request(url, body, prepared.headers, method=method)  # noqa: S310 - see wire
        proxy = urllib.request.ProxyHandler({} if proxies is not None else None)
        opener = urllib.request.OpenerDirector()
        for handler in (proxy, _Plain(timeout), _Encrypted(timeout), _AnyStatus()):
            opener.add_handler(handler)
        try:
            answer = opener.open(request, timeout=timeout[1])
        except urllib.error.URLError as error:
            raise HTTPError(str(error.reason)) from error
        except http.client.HTTPException as error:
            raise ProtocolError("the answer is no HTTP") from error
        if answer is None:
            raise HTTPError("this kind of address is not spoken to")
        return Response(url, answer)

    def close(self) -> None:
        """Do nothing: each connection ends with its answer."""


class _AnyStatus(urllib.request.BaseHandler):
    """Lets every answer through, where urllib would raise or follow."""


class _Plain(urllib.request.HTTPHandler):
    def __init__(self, limits: tuple[float, float]) -> None:
        super().__init__()
        self._limits = limits

    def http_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_patient(http.client.HTTPConnection, self._limits), request)


class _Encrypted(urllib.request.HTTPSHandler):
    def __init__(self, limits: tuple[float, float]) -> None:
        trusted = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
        self._trust = ssl.create_default_context(cafile=trusted or None)
        super().__init__(context=self._trust)
        self._limits = limits

    def https_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        kind = _patient(http.client.HTTPSConnection, self._limits)
        return self.do_open(kind, request, context=self._trust)


def _patient(kind: Any, limits: tuple[float, float]) -> Any:
    """Return a class of connections with a time limit of its own for being made."""

    class Patient(kind):  # type: ignore[misc]
        def connect(self) -> None:
            self.timeout = limits[0]
            super().connect()
            self.sock.settimeout(limits[1])

    return Patient
