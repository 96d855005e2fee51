"""A login as people and scripts see it, without anything secret."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from dodas.auth.login import places
from dodas.auth.login.record import Record
from dodas.auth.login.store import Store
from dodas.errors import SpecError


def store_of(environ: Mapping[str, str]) -> Store:
    """Return where the logins of a user are.

    Raises:
        SpecError: There is no place for them.
    """
    folder = places.folder(environ)
    if not folder:
        raise SpecError("there is no place for logins without HOME", hint="set HOME or DODAS_STATE")
    return Store(folder)


def is_usable(record: Record, now: float) -> bool:
    """Tell whether a login gives tokens, as far as that can be told without asking."""
    if record.renewable:
        return record.refresh_until is None or record.refresh_until > now
    token = record.token()
    return token is not None and token.left(now) > 0


def as_json(record: Record, now: float, *, chosen: bool) -> dict[str, Any]:
    """Return what scripts are told."""
    token = record.token()
    return {
        "name": record.name,
        "chosen": chosen,
        "issuer": record.issuer,
        "flow": record.flow,
        "client_id": record.client.id,
        "agent": record.account,
        "subject": record.subject,
        "username": record.username,
        "groups": list(record.groups),
        "scopes": _scopes(record),
        "audience": record.audience,
        "token_expires": None if token is None else _iso(token.until),
        "token_seconds_left": 0 if token is None else int(token.left(now)),
        "renewable": record.renewable,
        "renewable_until": None if record.refresh_until is None else _iso(record.refresh_until),
        "usable": is_usable(record, now),
    }


def as_lines(record: Record, now: float, *, chosen: bool) -> list[str]:
    """Return what people are told."""
    who = f"{record.username} ({record.subject})" if record.username else record.subject
    pairs = (
        ("issuer", record.issuer),
        ("account", f"{record.account} of oidc-agent" if record.account else ""),
        ("subject", who),
        ("groups", " ".join(record.groups)),
        ("scopes", " ".join(_scopes(record))),
        ("audience", record.audience),
        ("token", _token(record, now)),
        ("renewal", _renewal(record, now)),
    )
    title = f"{record.name} (in use)" if chosen else record.name
    return [title, *(f"  {name + ':':<9} {value}" for name, value in pairs if value)]


def _scopes(record: Record) -> list[str]:
    token = record.token()
    return ((token.scope if token else "") or record.scope).split()


def _token(record: Record, now: float) -> str:
    token = record.token()
    if token is None:
        return ""
    left = token.left(now)
    words = f"for {_duration(left)} more" if left > 0 else "over"
    return f"{words}, until {_clock(token.until)}"


def _renewal(record: Record, now: float) -> str:
    if not record.renewable:
        return "not possible: log in again when the token is over"
    words = "by itself"
    if record.refresh_until is not None:
        over = record.refresh_until <= now
        words = f"{'over since' if over else 'by itself until'} {_clock(record.refresh_until)}"
    if record.renewing is not None:
        words += f"; the answer to that of {_clock(record.renewing)} did not come"
    return words


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"


def _clock(moment: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(moment))


def _iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, tz=timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
