"""Which URLs may be given secrets, and what TLS is done with on the way there."""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Mapping
from urllib.parse import urlsplit

from dodas.auth import anchors
from dodas.auth.login.faults import plain
from dodas.errors import NotAllowed, SpecError


def issuer_url(text: str) -> str:
    """Return the address of a provider, checked.

    Raises:
        SpecError: It is none, or is not encrypted.
    """
    text = text.strip()
    url = text if "://" in text else f"https://{text}"
    problem = ""
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname, parts.port
    except ValueError:
        host, parts, problem = None, urlsplit(""), "is no URL"
    if not problem and (
        not host or parts.scheme not in ("https", "http") or not (url.isascii() and url.isprintable())
    ):
        problem = "is no URL of https"
    if not problem and (parts.query or parts.fragment or parts.username is not None or " " in url):
        problem = "has parts that the URL of an issuer has not"
    if problem:
        shown = plain(text).rpartition("@")[2]
        raise SpecError(f"the issuer {shown!r} {problem}", hint="give it as in https://iam.example.org/")
    if not may_see_secrets(url):
        raise SpecError(
            f"the issuer {url} is not encrypted, and everybody on the way could take the login",
            hint=f"give https://{url.partition('://')[2]}",
        )
    return url


def may_see_secrets(url: str) -> bool:
    """Tell whether ``url`` is one that is encrypted, or does not leave this machine."""
    if not url.isascii() or not url.isprintable() or " " in url:
        return False
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname or "", parts.port
    except ValueError:
        return False
    return bool(host) and (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host)))


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def context(environ: Mapping[str, str]) -> ssl.SSLContext:
    """Return what connections are made with: whom the user believes, see :mod:`dodas.auth.anchors`.

    Raises:
        NotAllowed: A file of authorities cannot be read.
    """
    trust = anchors.trust(environ)
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.set_alpn_protocols(["http/1.1"])
    if not trust.bundles and not trust.directories:
        made.set_default_verify_paths()
    places = [(bundle, True) for bundle in trust.bundles]
    places += [(directory, False) for directory in (*trust.directories, *trust.grid)]
    for place, is_file in places:
        try:
            made.load_verify_locations(cafile=place if is_file else None, capath=None if is_file else place)
        except OSError as error:
            raise NotAllowed(
                f"the certificate authorities in {place} cannot be read: {error.strerror or error}",
                hint="correct SSL_CERT_FILE, SSL_CERT_DIR or X509_CERT_DIR, or unset it",
            ) from None
    return made
