"""Tokens of a login, renewed before they end, by one process at a time."""

from __future__ import annotations

import time
from collections.abc import Callable

from dodas.auth.login.faults import IssuerUnreachable, LoginNeeded
from dodas.auth.login.granted import AccessToken
from dodas.auth.login.record import Record
from dodas.auth.login.renewal import Renewal, command
from dodas.auth.login.store import Store
from dodas.auth.login.wire import Wire
from dodas.errors import DodasError

_WORTH = 10.0  # seconds; a token that is good for less is not given out if there may be a better one
_PAUSE = 30.0  # seconds between two attempts at renewing a token that is good


class Renewing:
    """Gives tokens of one login.

    Args:
        store: Where it is kept.
        name: What it is called.
        wire: Asks its provider.
        now: The time, in seconds since 1970.
    """

    def __init__(self, store: Store, name: str, wire: Wire, *, now: Callable[[], float] = time.time) -> None:
        self._store = store
        self._name = name
        self._wire = wire
        self._now = now

    def record(self) -> Record:
        """Return the login as it is kept.

        Raises:
            LoginNeeded: There is none.
        """
        record = self._store.read(self._name)
        if record is None:
            raise LoginNeeded(f"there is no login {self._name}", hint=f"log in: {command(self._name)}")
        return record

    def token(self, *, audience: str = "", scope: str = "", refused: str = "") -> AccessToken:
        """Return a token that is good for a while.

        Args:
            audience: For whom; empty for whom the login says.
            scope: What it is to be good for, in order; empty for all of the login.
            refused: A token that a service did not take: another one is wanted.

        Raises:
            LoginNeeded: There is no login, or it is over.
            NotAllowed: The provider does not give such a token.
            IssuerUnreachable: It does not answer.
            NotKept: The disk does not take the next one.
        """
        record = self.record()
        found = self._good(record, audience, scope, refused)
        if found is not None:
            return found
        old = record.token(audience, scope)
        if old is None or old.value == refused or old.left(self._now()) < _WORTH:
            return self._other(audience, scope, refused, since=time.time(), wire=self._wire)
        try:
            # It is early, so there will be time for another attempt.
            since = time.time() - _PAUSE
            return self._other(audience, scope, refused, since=since, wire=self._wire.hurried())
        except DodasError:
            return old

    def _other(self, audience: str, scope: str, refused: str, *, since: float, wire: Wire) -> AccessToken:
        """Return another token, which this process or one that was before it gets from the provider."""
        with self._store.locked(self._name) as held:
            record = self.record()  # as whoever had the lock before left it
            found = self._good(record, audience, scope, refused)
            if found is not None:
                return found
            if held.failed_since(since):  # so it need not be tried
                raise IssuerUnreachable(
                    f"{record.issuer} did not answer another process a moment ago", hint="try again later"
                )
            try:
                renewal = Renewal(held, wire, now=self._now)
                return renewal.run(record, audience=audience or record.audience, scope=scope).tokens[0]
            except IssuerUnreachable:
                held.note_failure()
                raise

    def _good(self, record: Record, audience: str, scope: str, refused: str) -> AccessToken | None:
        found = record.token(audience, scope)
        if found is None or found.value == refused or found.is_due(self._now()):
            return None
        return found
