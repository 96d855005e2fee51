"""What a provider gives: tokens, and what they say about their owner."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import field
from typing import Any

from dodas.auth.login.faults import plain
from dodas.auth.tokens import token
from dodas.errors import NotAllowed
from dodas.values import dataclass

_UNTOLD = 300.0  # seconds for which a token is taken for good that does not say when it ends


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessToken:
    """A token for services.

    Attributes:
        value: The token, a secret.
        got: When it was asked for, by the clock of this machine, seconds since 1970.
        until: When it ends, by the same clock, whatever the provider's clock says.
        scope: What it is good for, as far as the provider tells.
        audience: For whom it was asked for; empty for whom the provider chose.
        asked: The scopes that were asked for; empty for all of the login.
    """

    value: str = field(repr=False)
    got: float
    until: float
    scope: str = ""
    audience: str = ""
    asked: str = ""

    def left(self, now: float) -> float:
        """Return for how many seconds it is good; 0 if this machine's clock went back since."""
        return max(0.0, self.until - now) if now > self.got - 60 else 0.0

    def is_due(self, now: float) -> bool:
        """Tell whether a new one should be had: a fifth of its life is left, or a minute.

        One that lives less than two minutes is due after half of that.
        """
        life = self.until - self.got
        return self.left(now) < min(max(life / 5, 60.0), life / 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Granted:
    """The answer to a successful request for tokens.

    Attributes:
        access: The access token.
        refresh: What gets the next one; empty if nothing does.
        refresh_until: When that ends; ``None`` if it is not told.
        identity: Claims of the ID token, which came right from the provider.
    """

    access: AccessToken
    refresh: str = field(default="", repr=False)
    refresh_until: float | None = None
    identity: Mapping[str, Any] = field(default_factory=dict, repr=False)


def granted(body: Mapping[str, Any], *, issuer: str, now: float, audience: str, asked: str) -> Granted:
    """Read an answer of RFC 6749, section 5.1.

    Args:
        body: The answer.
        issuer: Who gave it.
        now: When it was asked for: the life of a token is counted from then, not to overrate it.
        audience: That was asked for.
        asked: The scopes that were asked for.

    Raises:
        NotAllowed: It holds no bearer token.
    """
    value, kind = body.get("access_token"), body.get("token_type", "Bearer")
    found = token(value, f"the answer of {issuer}") if isinstance(value, str) else None
    if found is None or not isinstance(kind, str) or kind.lower() not in ("bearer", "n_a"):
        raise NotAllowed(f"{issuer} gives no bearer token", hint="tell its administrator")
    claims = claims_of(found.value)
    refresh = body.get("refresh_token")
    identity = body.get("id_token")
    return Granted(
        access=AccessToken(
            value=found.value,
            got=now,
            until=now + _life(body, claims, now),
            scope=plain(body.get("scope", claims.get("scope")), 4000),
            audience=audience,
            asked=asked,
        ),
        refresh=refresh if isinstance(refresh, str) else "",
        refresh_until=_refresh_until(body, refresh, now),
        identity=claims_of(identity) if isinstance(identity, str) else {},
    )


def claims_of(value: str) -> Mapping[str, Any]:
    """Return what a JSON Web Token says; nothing if it is none.  Its signature is not looked at."""
    parts = value.split(".")
    if len(parts) != 3:
        return {}
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        return {}
    return claims if isinstance(claims, dict) else {}


def _life(body: Mapping[str, Any], claims: Mapping[str, Any], now: float) -> float:
    told = number(body.get("expires_in"))
    if told is not None and told > 0:
        return told
    end, begin = number(claims.get("exp")), number(claims.get("iat"))
    if end is None:
        return _UNTOLD
    return max(0.0, end - (now if begin is None else begin))


def _refresh_until(body: Mapping[str, Any], refresh: object, now: float) -> float | None:
    told = number(body.get("refresh_expires_in", body.get("refresh_token_expires_in")))
    if told:
        return now + told
    return number(claims_of(refresh).get("exp")) if isinstance(refresh, str) else None


def number(value: object) -> float | None:
    """Return a number that JSON, or a careless provider in a string, has; ``None`` if it is none."""
    if isinstance(value, str) and value.isdecimal() and value.isascii() and len(value) < 16:
        return float(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if abs(value) < 1e15 else None
