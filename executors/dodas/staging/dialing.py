"""How connections come about: directly or through a proxy, with TLS or without."""

from __future__ import annotations

import socket
import ssl

from dodas.auth.certificates import Certificate
from dodas.staging.channel import Channel, EncryptedChannel
from dodas.staging.cuts import Cut, Distrust, cut_of
from dodas.staging.proxies import Proxy
from dodas.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """All that makes two connections interchangeable.

    Attributes:
        secure: Whether it is TLS.
        host: The server, an IPv6 address in brackets.
        port: Its port.
        proxy: What is between.
        certificate: What is shown to the server.
    """

    secure: bool
    host: str
    port: int
    proxy: Proxy | None = None
    certificate: Certificate | None = None

    @property
    def authority(self) -> str:
        """``host:port`` of the server."""
        return f"{self.host}:{self.port}"


def dial(route: Route, context: ssl.SSLContext | None, *, connect: float, idle: float) -> Channel:
    """Return a new connection.

    Args:
        route: Where to.
        context: For TLS; ``None`` to speak in clear.
        connect: Longest time for each step until the connection stands, in seconds.
        idle: Longest time without a byte later.

    Raises:
        Cut: It does not come about; nothing has begun.
        Distrust: The server's certificate is not believed.
    """
    connection = _connect(route, connect)
    try:
        if context is None:
            return Channel(connection, idle=idle)
        if route.proxy is not None:
            _through(connection, route.proxy, route.authority, connect)
        return EncryptedChannel(_encrypted(connection, context, route), idle=idle)
    except BaseException:
        connection.close()
        raise


def _connect(route: Route, limit: float) -> socket.socket:
    host, port = (route.proxy.host, route.proxy.port) if route.proxy else (route.host.strip("[]"), route.port)
    try:
        connection = socket.create_connection((host, port), timeout=limit)
    except socket.gaierror:
        raise Cut(f"has no address ({host} is not known)", begun=False) from None
    except TimeoutError:
        raise Cut(f"did not answer within {limit:.0f} s", begun=False) from None
    except (OSError, UnicodeError) as error:
        what = getattr(error, "strerror", None) or str(error)
        raise Cut(f"cannot be connected to ({what.lower()})", begun=False) from None
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def _through(connection: socket.socket, proxy: Proxy, authority: str, limit: float) -> None:
    """Have the proxy connect to ``authority`` (RFC 9110, section 9.3.6)."""
    lines = [f"CONNECT {authority} HTTP/1.1", f"Host: {authority}"]
    if proxy.authorization:
        lines.append(f"Proxy-Authorization: {proxy.authorization}")
    channel = Channel(connection, idle=limit)
    try:
        channel.send("\r\n".join([*lines, "", ""]).encode("ascii"))
        status = channel.head().split(b"\r\n")[0].split(b" ")
    except Cut as cut:
        raise Cut(f"is behind the proxy {proxy.host}, which {cut.reason}", begun=False) from None
    connection.settimeout(limit)
    if len(status) < 2 or status[1] != b"200":
        answer = b" ".join(status[1:]).decode("latin-1")[:60]
        raise Cut(f"is behind the proxy {proxy.host}, which answered {answer}", begun=False)


def _encrypted(connection: socket.socket, context: ssl.SSLContext, route: Route) -> ssl.SSLSocket:
    name = route.host.strip("[]").rstrip(".")
    try:
        # An end without a farewell is a cut, not the end of a file.
        return context.wrap_socket(connection, server_hostname=name, suppress_ragged_eofs=False)
    except ssl.SSLCertVerificationError as error:
        raise Distrust(
            f"the certificate of {route.authority} is not to be trusted: {error.verify_message}",
            hint="name its authority by SSL_CERT_FILE or X509_CERT_DIR, if this is the right server",
        ) from None
    except OSError as error:
        raise Cut(cut_of(error).reason, begun=False) from None
