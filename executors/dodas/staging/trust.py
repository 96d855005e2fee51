"""What TLS is done with: whom to believe, and what to show."""

from __future__ import annotations

import ssl
import threading

from dodas.auth.anchors import Trust
from dodas.auth.certificates import Certificate
from dodas.errors import NotAllowed, TransferError


class Contexts:
    """Keeps what TLS needs, since reading all authorities takes a while; usable from several threads."""

    def __init__(self) -> None:
        self._made: dict[tuple[Trust, Certificate | None], ssl.SSLContext] = {}
        self._lock = threading.Lock()

    def get(self, trust: Trust, certificate: Certificate | None) -> ssl.SSLContext:
        """Return the context for connections on which ``certificate`` is shown.

        Raises:
            TransferError: A file of authorities cannot be read.
            NotAllowed: The certificate cannot.
        """
        with self._lock:
            context = self._made.get((trust, certificate))
            if context is None:
                context = _context(trust, certificate)
                # A renewed proxy replaces the one before.
                self._made = {key: one for key, one in self._made.items() if key[1] is None}
                self._made[trust, certificate] = context
            return context


def _context(trust: Trust, certificate: Certificate | None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    # Python lets a connection that was cut pass for one that was closed, where OpenSSL 3 would tell.
    context.options &= ~getattr(ssl, "OP_IGNORE_UNEXPECTED_EOF", 0)
    if not trust.bundles and not trust.directories:
        context.set_default_verify_paths()
    for bundle in trust.bundles:
        _believe(context, bundle, file=True)
    for directory in (*trust.directories, *trust.grid):
        _believe(context, directory, file=False)
    if certificate is not None:
        _show(context, certificate)
        context.post_handshake_auth = True  # some servers ask for it only below certain paths
    return context


def _believe(context: ssl.SSLContext, place: str, *, file: bool) -> None:
    try:
        context.load_verify_locations(cafile=place if file else None, capath=None if file else place)
    except OSError as error:
        raise TransferError(
            f"the certificate authorities in {place} cannot be read: {error.strerror or error}",
            hint="correct SSL_CERT_FILE, SSL_CERT_DIR or X509_CERT_DIR, or unset it",
        ) from None


def _show(context: ssl.SSLContext, certificate: Certificate) -> None:
    try:
        # A key with a passphrase cannot be used here: nobody is there to be asked.
        context.load_cert_chain(certificate.path, certificate.key, password=_no_passphrase)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise NotAllowed(
            f"the certificate in {certificate.path} cannot be used: {reason}",
            hint="make a proxy of it, or unset X509_USER_PROXY, X509_USER_CERT and X509_USER_KEY",
        ) from None


def _no_passphrase() -> str:
    raise ValueError("its key has a passphrase")
