"""A login as it is kept, with all that renews it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, field, fields, replace
from typing import Any

from dodas.auth.login.client import Client
from dodas.auth.login.faults import plain
from dodas.auth.login.granted import AccessToken, Granted, claims_of
from dodas.values import dataclass

_VERSION = 1
_MOST_TOKENS = 32
_GROUPS = ("wlcg.groups", "groups", "eduperson_entitlement")
_NAMES = ("preferred_username", "name", "email")


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One login.

    Attributes:
        name: What the user calls it.
        issuer: Its provider, as that calls itself; of oidc-agent's, what the user said, or nothing.
        flow: How it was made: ``device``, ``client-credentials``, ``refresh``, ``agent``.
        client: As whom tokens are asked for.
        account: Of oidc-agent, which holds all else; empty for our own.
        audience: That tokens have if no other is asked for; empty for what the provider chooses.
        scope: What it was asked for.
        refresh: What gets new tokens; empty if nothing does.
        refresh_until: When that ends, seconds since 1970, as far as it is told.
        renewing: Since when an answer to a renewal is awaited, seconds since 1970; of one that was broken
            off, this is all that there is to tell why the login is over.
        subject: Who it is, in the provider's words.
        username: The same for people.
        groups: Of which.
        tokens: Access tokens, newest first.
        serial: Grows with each change.
    """

    name: str
    issuer: str
    flow: str
    client: Client = field(default_factory=lambda: Client(id=""))
    account: str = ""
    audience: str = ""
    scope: str = ""
    refresh: str = field(default="", repr=False)
    refresh_until: float | None = None
    renewing: float | None = None
    subject: str = ""
    username: str = ""
    groups: tuple[str, ...] = ()
    tokens: tuple[AccessToken, ...] = ()
    serial: int = 0

    @property
    def renewable(self) -> bool:
        """Whether it gives new tokens without the user."""
        return bool(self.refresh or self.account or self.flow == "client-credentials")

    def token(self, audience: str = "", asked: str = "") -> AccessToken | None:
        """Return the newest token that was asked for so."""
        wanted = (audience or self.audience, asked)
        return next((one for one in self.tokens if (one.audience, one.asked) == wanted), None)

    def after(self, got: Granted, now: float) -> Record:
        """Return it with what the provider gave: the next refresh token above all."""
        others = (
            one
            for one in self.tokens
            if (one.audience, one.asked) != (got.access.audience, got.access.asked) and one.left(now) > 0
        )
        return replace(
            self.known_by(got.identity).known_by(claims_of(got.access.value)),
            tokens=(got.access, *others)[:_MOST_TOKENS],
            refresh=got.refresh or self.refresh,
            refresh_until=got.refresh_until if got.refresh else self.refresh_until,
            renewing=None,
        )

    def known_by(self, claims: Mapping[str, Any]) -> Record:
        """Return it with who the user is, as far as that was not known."""
        groups = next((claims[name] for name in _GROUPS if isinstance(claims.get(name), list)), None)
        username = next((plain(claims[name]) for name in _NAMES if plain(claims.get(name))), "")
        return replace(
            self,
            subject=self.subject or plain(claims.get("sub")),
            username=self.username or username,
            groups=self.groups if groups is None else tuple(filter(None, map(plain, groups))),
        )


def to_json(record: Record) -> str:
    """Return the text that is kept, with all secrets."""
    return json.dumps({"version": _VERSION, **asdict(record)}, indent=1)


def from_json(text: str) -> Record:
    """Return the record in a text.

    Raises:
        ValueError: There is none in it that this version understands.
    """
    try:
        found = json.loads(text)
        if found.pop("version") != _VERSION:
            raise ValueError("of another version")
        made = _known(Record, found)
        made["client"] = Client(**_known(Client, found["client"]))
        made["tokens"] = tuple(AccessToken(**_known(AccessToken, one)) for one in found["tokens"])
        made["groups"] = tuple(found["groups"])
        return Record(**made)
    except (AttributeError, KeyError, TypeError, RecursionError):
        # Without `from`: the texts of these errors may quote what is in the file.
        raise ValueError("no login") from None


def _known(kind: type[Any], found: Mapping[str, Any]) -> dict[str, Any]:
    """Return those fields that this version knows: a newer one may have written more."""
    names = {one.name for one in fields(kind)}
    return {name: value for name, value in found.items() if name in names}
