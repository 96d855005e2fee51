"""Proxies on the way to a server, as the environment names them."""

from __future__ import annotations

import base64
import ipaddress
import re
from collections.abc import Mapping
from dataclasses import field
from urllib.parse import unquote, urlsplit

from dodas.errors import SpecError
from dodas.staging.urls import Url
from dodas.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """An HTTP proxy.

    Attributes:
        host: Its name or address, an IPv6 address without brackets.
        port: Its port.
        authorization: Value of ``Proxy-Authorization``, empty if it wants none; a secret.
    """

    host: str
    port: int
    authorization: str = field(default="", repr=False)


class Proxies:
    """Tells the proxy for a URL; a loopback address has none, since a proxy's loopback is not ours.

    Args:
        environ: Where ``HTTPS_PROXY``, ``HTTP_PROXY``, ``ALL_PROXY`` and ``NO_PROXY`` are, in either case; a
            name in small letters comes first.

    Raises:
        SpecError: One of them is no proxy.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        every = _proxy(environ, "all_proxy")
        self._secure = _proxy(environ, "https_proxy") or every
        self._plain = _proxy(environ, "http_proxy") or every
        self._without = _words(_variable(environ, "no_proxy"))

    def of(self, url: Url) -> Proxy | None:
        """Return the proxy for ``url``, ``None`` if it is spoken to directly."""
        proxy = self._secure if url.secure else self._plain
        return None if proxy is None or self._is_direct(url) else proxy

    def _is_direct(self, url: Url) -> bool:
        host = url.host.strip("[]")
        address = _address(host)
        if host == "localhost" or (address is not None and address.is_loopback):
            return True
        return any(_is_named(word, host, url.port, address) for word in self._without)


def _is_named(
    word: str, host: str, port: int, address: ipaddress.IPv4Address | ipaddress.IPv6Address | None
) -> bool:
    """Tell whether one word of ``NO_PROXY`` means this host."""
    if word == "*":
        return True
    if address is not None and "/" in word:
        try:
            return address in ipaddress.ip_network(word, strict=False)
        except ValueError:
            return False
    name, colon, number = word.rpartition(":")
    if colon and number.isdecimal() and ("]" in name or ":" not in name):
        if int(number) != port:
            return False
        word = name
    word = word.strip("[]").lstrip("*").lstrip(".")
    return bool(word) and (host == word or host.endswith("." + word))


def _proxy(environ: Mapping[str, str], name: str) -> Proxy | None:
    text = _variable(environ, name)
    if not text:
        return None
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        host, port = parts.hostname, parts.port or 80
    except ValueError:
        host, port, parts = None, 0, urlsplit("")
    if parts.scheme != "http" or not host:
        raise SpecError(f"{name.upper()} names no proxy that can be used", hint="set it to http://host:port")
    return Proxy(host=host, port=port, authorization=_basic(parts.username, parts.password))


def _basic(user: str | None, password: str | None) -> str:
    if user is None:
        return ""
    pair = f"{unquote(user)}:{unquote(password or '')}"
    return "Basic " + base64.b64encode(pair.encode()).decode("ascii")


def _variable(environ: Mapping[str, str], name: str) -> str:
    return (environ.get(name) or environ.get(name.upper()) or "").strip()


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.lower() for word in re.split(r"[\s,]+", text) if word)


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
