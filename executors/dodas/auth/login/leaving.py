"""The end of a login: revoked with its provider, and removed here."""

from __future__ import annotations

import time
from contextlib import suppress

from dodas.auth.login.asking import Asking
from dodas.auth.login.client import unregister
from dodas.auth.login.faults import LoginNeeded, Refused
from dodas.auth.login.provider import discover
from dodas.auth.login.record import Record
from dodas.auth.login.renewal import command
from dodas.auth.login.store import Store
from dodas.auth.login.wire import Wire
from dodas.errors import DodasError


def log_out(store: Store, name: str, wire: Wire) -> DodasError | None:
    """Revoke what a login has, and remove it, also if its provider cannot be told.

    Returns:
        Why tokens are not revoked; ``None`` if they are.

    Raises:
        LoginNeeded: There is no login of that name.
        NotKept: It cannot be removed.
    """
    with store.locked(name) as held:
        failure: DodasError | None = None
        try:
            record = store.read(name)
        except DodasError as error:  # damaged: nothing to revoke can be read there
            record, failure = None, error
        if record is None and failure is None:
            raise LoginNeeded(f"there is no login {name}", hint=f"log in: {command(name)}")
        if record is not None:
            try:
                _revoke(record, wire)
            except DodasError as error:
                failure = error
        held.remove()
        return failure


def _revoke(record: Record, wire: Wire) -> None:
    if record.account:
        return  # oidc-agent's own
    now = time.time()
    provider = discover(wire, record.issuer, now=now)
    asking = Asking(wire, provider, record.client)
    if record.refresh:
        asking.revoke(record.refresh, "refresh_token")
    for one in record.tokens:
        if one.left(now) > 0:
            with suppress(Refused):  # those that services can check by themselves end by themselves, soon
                asking.revoke(one.value, "access_token")
    unregister(wire, record.client)
