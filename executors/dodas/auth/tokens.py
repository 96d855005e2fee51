"""A bearer token, and when it ends."""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import field

from dodas.errors import NotAllowed
from dodas.values import dataclass

# RFC 6750, section 2.1.  Anything else could end the header and begin another one.
_VALUE = re.compile(r"[A-Za-z0-9._~+/-]+=*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """What a service takes as proof of the user.

    Attributes:
        value: The token, a secret: not in ``repr``, and to be written nowhere.
        expires: Seconds since 1970; ``None`` if the token does not say.
        source: Where it was found, for messages.
    """

    value: str = field(repr=False)
    expires: float | None = None
    source: str = ""


def token(text: str, source: str) -> Token | None:
    """Return the token that ``text`` holds, ``None`` if it is blank.

    Raises:
        NotAllowed: It is not a token.
    """
    value = text.strip()
    if not value:
        return None
    if not _VALUE.fullmatch(value):
        raise NotAllowed(
            f"{source} does not hold a bearer token",
            hint="put the bare token there, without quotes or a word before it",
        )
    return Token(value=value, expires=expiry(value), source=source)


def expiry(value: str) -> float | None:
    """Return ``exp`` of a JSON Web Token (RFC 7519), ``None`` for any other kind.

    The signature is not looked at: whoever gets the token does that; here it is about asking for a new one.
    """
    parts = value.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        return None
    end = claims.get("exp") if isinstance(claims, dict) else None
    return float(end) if isinstance(end, (int, float)) and not isinstance(end, bool) else None
