"""Questions to the token endpoint of a provider: one function for each kind of grant."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

from dodas.auth.login.client import Client
from dodas.auth.login.faults import AnswerLost, Refused, refused
from dodas.auth.login.granted import Granted, claims_of, granted
from dodas.auth.login.provider import Provider
from dodas.auth.login.wire import Answer, Wire
from dodas.errors import NotAllowed

DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
REFRESH = "refresh_token"
CLIENT = "client_credentials"
_ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - the name of a type


class Asking:
    """Asks one provider for tokens, as one client.

    Args:
        wire: Asks.
        provider: Who is asked.
        client: Who asks.
        now: The time, in seconds since 1970.
    """

    def __init__(
        self, wire: Wire, provider: Provider, client: Client, *, now: Callable[[], float] = time.time
    ) -> None:
        self.wire = wire
        self.provider = provider
        self.client = client
        self._now = now

    def refresh(self, token: str, *, scope: str = "", audience: str = "") -> Granted:
        """Use a refresh token (RFC 6749, section 6); it may be worth nothing afterwards.

        Raises:
            Refused: The provider does not take it.
            AnswerLost: It may have been used up for nothing.
            IssuerUnreachable: It was not used.
        """
        # Without `resource`: one that was not consented to makes some providers refuse the request when the
        # token is used up already.  INDIGO IAM goes by `audience`; others take no notice of it.
        aim = {"audience": audience} if audience else {}
        return self._ask(REFRESH, "to renew the login", scope, audience, refresh_token=token, aim=aim)

    def by_secret(self, *, scope: str = "", audience: str = "") -> Granted:
        """Ask for a token of the client itself (RFC 6749, section 4.4)."""
        return self._ask(CLIENT, "a token for the client", scope, audience)

    def by_device(self, code: str, *, audience: str = "") -> Granted:
        """Ask whether the user has consented (RFC 8628, section 3.4)."""
        return self._ask(DEVICE, "the login", "", audience, device_code=code)

    def exchanged(self, token: str, *, scope: str = "", audience: str = "") -> Granted:
        """Get another token for one that is good (RFC 8693)."""
        return self._ask(
            EXCHANGE,
            f"a token for {audience}" if audience else "a token of other scopes",
            scope,
            audience,
            subject_token=token,
            subject_token_type=_ACCESS_TOKEN,
            requested_token_type=_ACCESS_TOKEN,
        )

    def revoke(self, token: str, kind: str) -> None:
        """Make a token worthless (RFC 7009); one that is already is no error.

        Raises:
            NotAllowed: The provider does not do that, or not for this client.
            IssuerUnreachable: It does not answer.
        """
        if not self.provider.revocation:
            raise NotAllowed(f"{self.provider.issuer} revokes no tokens; they end by themselves")
        answer = self._post(self.provider.revocation, {"token": token, "token_type_hint": kind})
        if not answer.good:
            raise self._refused(answer, "to revoke a token", token)

    def _ask(
        self,
        grant: str,
        what: str,
        scope: str,
        audience: str,
        *,
        aim: dict[str, str] | None = None,
        **more: str,
    ) -> Granted:
        aim = aimed_at(audience) if aim is None else aim
        form = {"grant_type": grant, **more, **({"scope": scope} if scope else {}), **aim}
        now = self._now()
        answer = self._post(self.provider.token, form)
        if not answer.good:
            raise self._refused(answer, what, *more.values())
        if not answer.body:
            raise AnswerLost(f"{self.provider.issuer} answers with nothing", hint="try again later")
        return granted(answer.body, issuer=self.provider.issuer, now=now, audience=audience, asked=scope)

    def _post(self, url: str, form: dict[str, str]) -> Answer:
        return self.wire.post(url, {**self.client.fields, **form}, authorization=self.client.authorization)

    def _refused(self, answer: Answer, what: str, *sent: str) -> Refused:
        secrets = (*sent, self.client.secret)
        return refused(answer.status, answer.body, what=what, issuer=self.provider.issuer, secrets=secrets)


def aimed_at(audience: str) -> dict[str, str]:
    """Return the fields that ask for an audience: ``audience`` as INDIGO IAM, ``resource`` as RFC 8707."""
    if not audience:
        return {}
    try:
        parts = urlsplit(audience)
        is_uri = bool(parts.scheme and parts.netloc) and not parts.fragment
    except ValueError:
        is_uri = False
    return {"audience": audience, **({"resource": audience} if is_uri else {})}


def is_for(got: Granted, audience: str) -> bool:
    """Tell whether a token is for an audience; true for one that does not say for whom it is."""
    claims = claims_of(got.access.value)
    if "aud" not in claims:
        return not claims
    named = claims["aud"]
    return audience in (named if isinstance(named, list) else [named])


def joined(scopes: Sequence[str]) -> str:
    """Return scopes as they are sent, each once and in order: what is the same is asked for once."""
    return " ".join(sorted({word for scope in scopes for word in scope.split()}))
