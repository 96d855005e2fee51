"""What a provider says about itself (OpenID Connect Discovery 1.0)."""

from __future__ import annotations

from typing import Any

from dodas.auth.login import trusted
from dodas.auth.login.faults import plain
from dodas.auth.login.wire import Answer, Wire
from dodas.errors import SpecError
from dodas.values import dataclass

_WELL_KNOWN = "/.well-known/openid-configuration"
_WRONG_CLOCK = 300.0  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """The addresses of a provider, and what it can do.

    Attributes:
        issuer: What it calls itself; what tokens have as ``iss``.
        token: Where tokens are asked for.
        device: Where the device flow begins (RFC 8628); empty if it has none, as the following.
        registration: Where clients are registered (RFC 7591).
        revocation: Where tokens are revoked (RFC 7009).
        userinfo: Where it says who the user is.
        grants: Kinds of grants; empty if it does not say.
        methods: Ways of clients to prove who they are.
        scopes: That it has; empty if it does not say.
        skew: By how many seconds its clock is ahead of ours.
    """

    issuer: str
    token: str
    device: str = ""
    registration: str = ""
    revocation: str = ""
    userinfo: str = ""
    grants: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    skew: float = 0.0

    @property
    def clock_is_wrong(self) -> bool:
        """Whether its clock and ours differ by more than they should."""
        return abs(self.skew) > _WRONG_CLOCK


def discover(wire: Wire, issuer: str, *, now: float) -> Provider:
    """Ask a provider about itself.

    Args:
        wire: Asks.
        issuer: Its address; a slash at its end makes no difference.
        now: The time, in seconds since 1970.

    Raises:
        SpecError: There is no provider at that address, or one that says that it is another.
        IssuerUnreachable: It does not answer.
    """
    issuer = trusted.issuer_url(issuer)
    answer = wire.get(issuer.rstrip("/") + _WELL_KNOWN)
    if not answer.good:
        raise SpecError(
            f"there is no OpenID provider at {issuer} (status {answer.status} for its {_WELL_KNOWN})",
            hint="check the address of the issuer",
        )
    named = answer.body.get("issuer")
    if not isinstance(named, str) or named.rstrip("/") != issuer.rstrip("/"):
        raise SpecError(
            f"what answers at {issuer} says that it is {plain(named) or 'nobody'}",
            hint="give the issuer as it calls itself, if you trust it",
        )
    return _provider(answer, named, now)


def _provider(answer: Answer, issuer: str, now: float) -> Provider:
    body = answer.body
    token = _url(body, "token_endpoint", issuer)
    if not token:
        raise SpecError(f"{issuer} does not say where it gives tokens", hint="ask its administrator")
    return Provider(
        issuer=issuer,
        token=token,
        device=_url(body, "device_authorization_endpoint", issuer),
        registration=_url(body, "registration_endpoint", issuer),
        revocation=_url(body, "revocation_endpoint", issuer),
        userinfo=_url(body, "userinfo_endpoint", issuer),
        grants=_words(body.get("grant_types_supported")),
        methods=_words(body.get("token_endpoint_auth_methods_supported")),
        scopes=_words(body.get("scopes_supported")),
        skew=0.0 if answer.date is None else answer.date - now,
    )


def _url(body: Any, name: str, issuer: str) -> str:
    url = body.get(name)
    if url is None:
        return ""
    if not isinstance(url, str) or not trusted.may_see_secrets(url):
        raise SpecError(
            f"{issuer} names a {name} that is not encrypted", hint="tell its administrator; do not log in"
        )
    return url


def _words(value: object) -> tuple[str, ...]:
    return tuple(word for word in value if isinstance(word, str)) if isinstance(value, list) else ()
