"""The client of a provider that dodas is: known before, or registered by itself (RFC 7591)."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import field
from urllib.parse import quote_plus

from dodas.auth.login import trusted
from dodas.auth.login.faults import refused
from dodas.auth.login.provider import Provider
from dodas.auth.login.wire import Wire
from dodas.errors import NotAllowed, TransferError
from dodas.values import dataclass

_BASIC, _POST, _NONE = "client_secret_basic", "client_secret_post", "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """Who asks for tokens.

    Attributes:
        id: Its name with the provider.
        secret: What proves that it is it; empty for a public client.
        method: How that is shown, a name of RFC 7591.
        scope: What dodas registered it for; empty if it did not, or that is not told.
        management: Where it can be removed again (RFC 7592), if dodas registered it.
        management_token: With what.
    """

    id: str
    secret: str = field(default="", repr=False)
    method: str = _NONE
    scope: str = ""
    management: str = ""
    management_token: str = field(default="", repr=False)

    def may_ask_for(self, scopes: Sequence[str]) -> bool:
        """Tell whether it may ask for scopes, as far as that is known."""
        return not self.scope or set(scopes) <= set(self.scope.split())

    @property
    def authorization(self) -> str:
        """What goes into the header of that name."""
        if self.method != _BASIC:
            return ""
        pair = f"{quote_plus(self.id)}:{quote_plus(self.secret)}"  # RFC 6749, section 2.3.1
        return "Basic " + base64.b64encode(pair.encode()).decode("ascii")

    @property
    def fields(self) -> dict[str, str]:
        """What goes into forms."""
        secret = {"client_secret": self.secret} if self.method == _POST else {}
        return {"client_id": self.id, **secret}


def client(name: str, secret: str, provider: Provider) -> Client:
    """Return the client that the user names."""
    if not secret:
        return Client(id=name)
    method = _POST if provider.methods and _BASIC not in provider.methods else _BASIC
    return Client(id=name, secret=secret, method=method)


def register(
    wire: Wire, provider: Provider, *, grants: Sequence[str], scopes: Sequence[str], host: str
) -> Client:
    """Make a new client, which the provider lets anybody do.

    Args:
        wire: Asks.
        provider: Whose client it is to be.
        grants: Kinds of grants that it is for.
        scopes: That it will ask for.
        host: Where it will be used, for those who look at a list of clients.

    Raises:
        NotAllowed: The provider does not want that.
        IssuerUnreachable: It does not answer.
    """
    if not provider.registration:
        raise NotAllowed(
            f"{provider.issuer} registers no clients by itself",
            hint="register one on its web pages, for the device flow, and give --client-id",
        )
    known = [method for method in (_BASIC, _POST, _NONE) if method in provider.methods]
    wanted = {
        "client_name": f"dodas on {host}",
        "grant_types": list(grants),
        "redirect_uris": [],
        "response_types": [],
        "token_endpoint_auth_method": known[0] if known else _BASIC,
        **({"scope": " ".join(scopes)} if scopes else {}),
    }
    answer = wire.post_json(provider.registration, wanted)
    name = answer.body.get("client_id")
    if not answer.good or not isinstance(name, str):
        raise refused(answer.status, answer.body, what="to register a client", issuer=provider.issuer)
    secret = _text(answer.body.get("client_secret"))
    management = _text(answer.body.get("registration_client_uri"))
    made = answer.body.get("token_endpoint_auth_method")
    method = made if made in (_BASIC, _POST, _NONE) else _BASIC
    return Client(
        id=name,
        secret=secret,
        method=method if secret else _NONE,
        scope=_text(answer.body.get("scope")) or " ".join(scopes),
        management=management if trusted.may_see_secrets(management) else "",
        management_token=_text(answer.body.get("registration_access_token")),
    )


def unregister(wire: Wire, made: Client) -> None:
    """Remove a client that :func:`register` made; a provider that does not let us keeps it."""
    if made.management and made.management_token:
        with suppress(TransferError):
            wire.delete(made.management, bearer=made.management_token)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
