"""Tokens of oidc-agent for any audience and scope; it holds what renews them itself."""

from __future__ import annotations

import time
from collections.abc import Mapping

from dodas.auth.agent import Agent
from dodas.auth.login.faults import LoginNeeded
from dodas.auth.login.granted import AccessToken, Granted, claims_of, number
from dodas.auth.login.record import Record
from dodas.errors import SpecError

_UNTOLD = 300.0  # seconds


def agent_token(
    account: str, environ: Mapping[str, str], *, audience: str = "", scope: str = ""
) -> AccessToken:
    """Ask oidc-agent for a token.

    Raises:
        NotAllowed: It gives none.
        SpecError: The account can be none.
    """
    if not account or account.startswith("-"):
        raise SpecError(f"{account!r} is no account of oidc-agent", hint="`oidc-add --list` shows them")
    now = time.time()
    found = Agent(account, environ, audience=audience, scope=scope).token()
    if found is None:
        raise LoginNeeded(
            f"oidc-agent gives no token of {account}", hint=f"run `oidc-add {account}`, then try again"
        )
    claims = claims_of(found.value)
    end, begin = number(claims.get("exp")), number(claims.get("iat"))
    until = found.expires if found.expires is not None else now + _UNTOLD
    if end is not None and begin is not None and begin > now:  # a clock that is behind
        until = now + end - begin
    words = claims.get("scope")
    return AccessToken(
        value=found.value,
        got=now,
        until=until,
        scope=words if isinstance(words, str) else "",
        audience=audience,
        asked=scope,
    )


def agent_record(name: str, account: str, environ: Mapping[str, str], *, audience: str, scope: str) -> Record:
    """Return a login that asks oidc-agent, which gives a token now.

    Raises:
        NotAllowed: It gives none.
        SpecError: The account can be none.
    """
    got = agent_token(account, environ, audience=audience, scope=scope)
    issuer = claims_of(got.value).get("iss")
    record = Record(
        name=name,
        issuer=issuer if isinstance(issuer, str) else "",
        flow="agent",
        account=account,
        audience=audience,
        scope=scope,
    )
    # Its tokens are not kept: it has them itself.
    return record.known_by(Granted(access=got).identity).known_by(claims_of(got.value))
