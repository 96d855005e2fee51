"""Keys and tokens of a pool.

HTCondor's IDTOKENS are JSON Web Tokens (RFC 7519) signed with HMAC-SHA256.  The key of the signature is
derived with HKDF (RFC 5869) from what is in the key file, which HTCondor stores with every byte mixed with a
constant (``simple_scramble`` in its sources), so that no editor shows it.  Making them here needs no program
of HTCondor's and no second copy of the key.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import secrets
import time
from collections.abc import Sequence

KEY_NAME = "dodas"
"""Name of the signing key: the file in SEC_PASSWORD_DIRECTORY, and ``kid`` of tokens."""

_SCRAMBLE = bytes((0xDE, 0xAD, 0xBE, 0xEF))


def make_key(directory: str) -> None:
    """Put a new signing key into ``directory`` unless it has one; only the user can read it."""
    path = os.path.join(directory, KEY_NAME)
    if not os.path.exists(path):
        _write(path, _scrambled(secrets.token_bytes(64)))


def make_token(
    directory: str,
    name: str,
    *,
    key: str,
    issuer: str,
    identity: str,
    powers: Sequence[str] = (),
    seconds: float = 0.0,
) -> None:
    """Put a token into ``directory``; only the user can read it.

    Args:
        directory: A SEC_TOKEN_DIRECTORY.
        name: What to call the file.
        key: SEC_PASSWORD_DIRECTORY with the signing key.
        issuer: TRUST_DOMAIN of the pool.
        identity: Whom the token makes its holder, ``user@domain``.
        powers: Authorizations such as ``ADVERTISE_STARTD`` to which it is limited; empty for no limit.
        seconds: How long it is good for; 0 for ever.
    """
    with open(os.path.join(key, KEY_NAME), "rb") as file:
        secret = _derived(_scrambled(file.read()))
    claims: dict[str, object] = {"iat": int(time.time()), "iss": issuer, "jti": secrets.token_hex(16)}
    claims["sub"] = identity
    if seconds:
        claims["exp"] = int(time.time() + seconds)
    if powers:
        claims["scope"] = " ".join(f"condor:/{power}" for power in powers)
    head = {"alg": "HS256", "kid": KEY_NAME}
    signed = b".".join(_encoded(json.dumps(part, separators=(",", ":")).encode()) for part in (head, claims))
    signature = _encoded(hmac.digest(secret, signed, hashlib.sha256))
    _write(os.path.join(directory, name), signed + b"." + signature + b"\n")


def _derived(key: bytes) -> bytes:
    """Return the key of signatures: one block of HKDF-SHA256."""
    extracted = hmac.digest(b"htcondor", key, hashlib.sha256)
    return hmac.digest(extracted, b"master jwt\x01", hashlib.sha256)


def _scrambled(data: bytes) -> bytes:
    return bytes(byte ^ _SCRAMBLE[index % 4] for index, byte in enumerate(data))


def _encoded(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def _write(path: str, content: bytes) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
