"""One request on a connection of its own, which knows whether the server may have seen it."""

from __future__ import annotations

import base64
import http.client
import socket
import ssl
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import field
from urllib.parse import SplitResult, unquote, urlsplit

from dodas.auth.login import trusted
from dodas.auth.login.faults import AnswerLost, IssuerUnreachable
from dodas.errors import SpecError
from dodas.values import dataclass

_SILENCE = 20.0  # seconds
_LARGEST = 1 << 20  # bytes of an answer
_BLOCK = 65536


class Untrusted(IssuerUnreachable):
    """The server's certificate is not accepted; asking again gives no other."""

    retryable = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A request.

    Attributes:
        method: Its method.
        url: Where to.
        headers: Its headers, with secrets.
        body: Its body, with secrets.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """An answer as it came."""

    status: int
    headers: Mapping[str, str] = field(repr=False)  # names in small letters
    body: bytes = field(repr=False)


def exchange(request: Sent, environ: Mapping[str, str], *, deadline: float) -> Received:
    """Send a request and return the answer.

    Args:
        request: What to send.
        environ: Says whom to believe, and which proxy to go through.
        deadline: When the whole has to be over, of ``time.monotonic``.

    Raises:
        AnswerLost: It was sent, at least in part, and no answer came.
        IssuerUnreachable: It was not sent.
    """
    parts = urlsplit(request.url)
    connection = _connection(parts, environ, timeout=_left(deadline))
    try:
        _connect(connection, parts)
        try:
            target = parts._replace(scheme="", netloc="", fragment="").geturl() or "/"
            connection.request(request.method, target, request.body or None, dict(request.headers))
            with connection.getresponse() as answer:
                body = _read(answer, connection.sock, deadline)
        except (OSError, http.client.HTTPException) as error:
            raise AnswerLost(
                f"{parts.netloc} was asked, and {_loss(error)}", hint="try again in a moment"
            ) from None
        headers = {name.lower(): value for name, value in answer.getheaders()}
        return Received(status=answer.status, headers=headers, body=body)
    finally:
        connection.close()


def _connection(
    parts: SplitResult, environ: Mapping[str, str], *, timeout: float
) -> http.client.HTTPConnection:
    host = parts.hostname or ""
    if parts.scheme == "http":
        return http.client.HTTPConnection(host, parts.port or 80, timeout=timeout)
    proxy = _proxy(host, environ)
    tls = trusted.context(environ)
    if proxy is None:
        return http.client.HTTPSConnection(host, parts.port or 443, timeout=timeout, context=tls)
    connection = http.client.HTTPSConnection(
        proxy.hostname or "", proxy.port or 80, timeout=timeout, context=tls
    )
    headers = {}
    if proxy.username is not None:
        pair = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
        headers["Proxy-Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode("ascii")
    connection.set_tunnel(host, parts.port or 443, headers)
    return connection


def _proxy(host: str, environ: Mapping[str, str]) -> SplitResult | None:
    """Return the proxy on the way to a host; loopback has none, since a proxy's loopback is not ours."""
    named = {name.lower(): value for name, value in environ.items() if name.lower().endswith("_proxy")}
    named.update({name: value for name, value in environ.items() if name in named and value})
    address = named.get("https_proxy") or named.get("all_proxy") or ""
    if not address or trusted.is_loopback(host) or _is_without(host, named.get("no_proxy", "")):
        return None
    try:
        parts = urlsplit(address if "://" in address else f"http://{address}")
        usable = parts.scheme == "http" and parts.hostname is not None and parts.port != 0
    except ValueError:
        usable, parts = False, urlsplit("")
    if not usable:
        raise SpecError("HTTPS_PROXY names no proxy that can be used", hint="set it to http://host:port")
    return parts


def _is_without(host: str, no_proxy: str) -> bool:
    words = [word.strip().lstrip("*").lstrip(".").lower() for word in no_proxy.split(",")]
    return "*" in no_proxy.split(",") or any(
        host == word or host.endswith(f".{word}") for word in words if word
    )


def _connect(connection: http.client.HTTPConnection, parts: SplitResult) -> None:
    try:
        connection.connect()
    except ssl.SSLCertVerificationError as error:
        hint = "name the file with the certificates of its authority in SSL_CERT_FILE"
        if error.verify_code in _OF_TIME:
            clock = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())
            hint = f"set the clock of this machine right if it is wrong: it says {clock}"
        raise Untrusted(f"{parts.netloc} cannot be trusted: {error.verify_message}", hint=hint) from None
    except (OSError, http.client.HTTPException) as error:
        # Python before 3.12 leaves a proxy's refusal open, in a frame that the traceback would keep.
        error.__traceback__ = None
        raise IssuerUnreachable(
            f"{parts.netloc} {_absence(error)}",
            hint="check the spelling, the network and HTTPS_PROXY, or try again later",
        ) from None


_OF_TIME = {9, 10}  # X509_V_ERR_CERT_NOT_YET_VALID, X509_V_ERR_CERT_HAS_EXPIRED


def _absence(error: Exception) -> str:
    if isinstance(error, socket.gaierror):
        return "is not known to the name service"
    if isinstance(error, ConnectionRefusedError):
        return "refuses connections"
    if isinstance(error, TimeoutError):
        return "does not answer"
    if isinstance(error, ssl.SSLError):
        return "does not speak TLS as it should"
    if str(error).startswith("Tunnel connection failed"):
        return "is behind a proxy that refuses the way there"
    reason = error.strerror if isinstance(error, OSError) else ""
    return f"cannot be reached: {reason}" if reason else "cannot be reached"


def _loss(error: Exception) -> str:
    return "fell silent" if isinstance(error, TimeoutError) else "broke off the connection"


def _read(answer: http.client.HTTPResponse, sock: socket.socket | None, deadline: float) -> bytes:
    body = bytearray()
    while True:
        if sock is not None:
            # A server that sends its answer byte by byte is not waited for longer than a silent one.
            with suppress(OSError):
                sock.settimeout(_left(deadline))
        block = answer.read1(_BLOCK)
        if not block:
            if answer.length:
                raise http.client.IncompleteRead(b"", answer.length)
            return bytes(body)
        body += block
        if len(body) > _LARGEST:
            raise http.client.HTTPException
        if time.monotonic() >= deadline:
            raise TimeoutError


def _left(deadline: float) -> float:
    return max(0.1, min(_SILENCE, deadline - time.monotonic()))
