"""The user's certificate or proxy, where grid tools have it."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping

from dodas.auth import private
from dodas.auth.validity import not_after
from dodas.errors import NotAllowed
from dodas.values import dataclass

_TMP = "/tmp"  # noqa: S108 - where grid tools put proxies; only what is ours is taken from there


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """Files that prove who the user is.

    Attributes:
        path: The certificate, PEM, with its chain; of a proxy also the key.
        key: The key; the same file for a proxy.
        stamp: Changes when the files do.
        expires: Seconds since 1970; ``None`` if that cannot be read.
    """

    path: str
    key: str
    stamp: tuple[private.Stamp | None, private.Stamp | None]
    expires: float | None = None


class CertificateFinder:
    """Finds the certificate of this user; usable from several threads.

    Args:
        environ: Looked at anew each time.
        tmp: Where grid tools put proxies.
        now: The time, in seconds since 1970.
    """

    def __init__(
        self, environ: Mapping[str, str], *, tmp: str = _TMP, now: Callable[[], float] = time.time
    ) -> None:
        self._environ = environ
        self._tmp = tmp
        self._now = now
        self._known: Certificate | None = None
        self._lock = threading.Lock()

    def find(self) -> Certificate | None:
        """Return the certificate of the first place that has one.

        Raises:
            NotAllowed: A place is named and useless, others can read the key, or a proxy has expired.
        """
        named = self._environ.get("X509_USER_PROXY")
        if named:
            what = "the proxy of X509_USER_PROXY"
            return self._current(self._load(named, named, what), what)
        usual = os.path.join(self._tmp, f"x509up_u{os.geteuid()}")
        if private.is_own(usual):
            proxy = self._load(usual, usual, "the proxy")
            # Nobody asked for this one; one that was forgotten there must not be in the way.
            if not self._is_over(proxy):
                return proxy
        path, key = (self._environ.get(name) for name in ("X509_USER_CERT", "X509_USER_KEY"))
        if path and key:
            return self._current(
                self._load(path, key, "the key of X509_USER_KEY"), "the certificate of X509_USER_CERT"
            )
        return None

    def _load(self, path: str, key: str, what: str) -> Certificate:
        stamp = (private.stamp_of(path), private.stamp_of(key))
        with self._lock:
            known = self._known
        if known is not None and (known.path, known.key, known.stamp) == (path, key, stamp):
            return known
        content = private.read(key, what)[0]
        content = content if path == key else _read(path)
        expires = not_after(content.decode("latin-1"))
        certificate = Certificate(path=path, key=key, stamp=stamp, expires=expires)
        with self._lock:
            self._known = certificate
        return certificate

    def _current(self, certificate: Certificate, what: str) -> Certificate:
        if self._is_over(certificate):
            ended = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(certificate.expires))
            raise NotAllowed(
                f"{what}, {certificate.path}, expired at {ended}",
                hint="make a new one, or unset the variable",
            )
        return certificate

    def _is_over(self, certificate: Certificate) -> bool:
        return certificate.expires is not None and certificate.expires <= self._now()


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise NotAllowed(
            f"the certificate of X509_USER_CERT, {path}, cannot be read: {error.strerror}",
            hint="give the path of the certificate, or unset the variable",
        ) from None
