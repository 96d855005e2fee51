"""Tokens of a login, renewed before they end, by one process at a time.

A refresh token may be good for one use.  So, in this order: there is room on the disk for the answer; it is
written down that one is awaited; the provider is asked, once; the answer is on the disk; the new token is
used.  A process that is killed loses a login only if the provider had done it and its answer was not written.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

from dodas.auth.login.asking import EXCHANGE, Asking, is_for, joined
from dodas.auth.login.faults import AnswerLost, IssuerUnreachable, LoginNeeded, Refused
from dodas.auth.login.granted import Granted
from dodas.auth.login.provider import discover
from dodas.auth.login.record import Record
from dodas.auth.login.store import Held, NotKept
from dodas.auth.login.wire import Wire
from dodas.errors import NotAllowed

_OVER = ("invalid_grant", "invalid_token")
# What providers say to a client that may not exchange tokens; IAM takes `audience` when renewing, too.
_NOT_FOR_US = (
    *("unauthorized_client", "unsupported_grant_type", "invalid_client", "invalid_request"),
    *("access_denied", "invalid_target", ""),
)
_INTERRUPTIONS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_Keep = Callable[[Record], Record]


class Renewal:
    """Gets tokens of a login from its provider.

    Args:
        held: The login, which nobody else changes.
        wire: Asks its provider.
        now: The time, in seconds since 1970.
    """

    def __init__(self, held: Held, wire: Wire, *, now: Callable[[], float]) -> None:
        self._held = held
        self._wire = wire
        self._now = now

    def run(self, record: Record, *, audience: str, scope: str) -> Record:
        """Return the login with a new token, once it is on the disk.

        Args:
            record: The login as it is on the disk.
            audience: For whom the token is to be.
            scope: What it is to be good for.

        Raises:
            LoginNeeded: The login is over.
            NotAllowed: The provider does not give such a token.
            IssuerUnreachable: It does not answer.
            NotKept: The disk does not take it.
        """
        if not record.renewable:
            raise LoginNeeded(
                f"the login {record.name} cannot be renewed: {record.issuer} gave nothing to do it with",
                hint=f"log in again, with the scope offline_access: {command(record.name, record)}",
            )
        provider = discover(self._wire, record.issuer, now=self._now())
        asking = Asking(self._wire, provider, record.client, now=self._now)
        if record.flow == "client-credentials":
            with self._held.room() as keep:
                got = asking.by_secret(scope=scope or record.scope, audience=audience)
                return self._kept(keep, record, got, audience, scope)
        if audience != record.audience and EXCHANGE in provider.grants:
            try:
                return self._exchanged(record, asking, audience, scope)
            except Refused as error:
                if error.code not in _NOT_FOR_US:
                    raise
        return self._refreshed(record, asking, audience, scope)

    def _exchanged(self, record: Record, asking: Asking, audience: str, scope: str) -> Record:
        """Get a token for another audience; the refresh token is not touched."""
        subject = record.token()
        if subject is None or subject.is_due(self._now()):
            record = self._refreshed(record, asking, record.audience, "")
            subject = record.tokens[0]
        with self._held.room() as keep:
            # INDIGO IAM refuses that scope here, and takes all of the token's if none is asked for.
            wanted = scope or joined([one for one in subject.scope.split() if one != "offline_access"])
            got = asking.exchanged(subject.value, scope=wanted, audience=audience)
            # A refresh token that comes along would be another login.
            return self._kept(keep, record, replace(got, refresh="", identity={}), audience, scope)

    def _refreshed(self, record: Record, asking: Asking, audience: str, scope: str) -> Record:
        with undisturbed(), self._held.room() as keep:
            waiting = self._held.mark(replace(record, renewing=self._now()))
            try:
                got = asking.refresh(record.refresh, scope=scope, audience=audience)
            except AnswerLost as error:
                problem = f"{error}; the next attempt will show whether the login is lost with the answer"
                raise AnswerLost(problem, hint=error.hint) from None
            except (IssuerUnreachable, NotAllowed) as error:
                with suppress(NotKept):
                    keep(replace(waiting, renewing=record.renewing))
                if isinstance(error, Refused) and error.code in _OVER:
                    raise self._over(record, error) from None
                raise
            return self._kept(keep, waiting, got, audience, scope)

    def _kept(self, keep: _Keep, record: Record, got: Granted, audience: str, scope: str) -> Record:
        got = replace(got, access=replace(got.access, audience=audience, asked=scope))
        if audience and audience != record.audience and not is_for(got, audience):
            keep(replace(record, refresh=got.refresh or record.refresh, renewing=None))
            raise NotAllowed(
                f"{record.issuer} gives this client no token for {audience}",
                hint=f"let its administrator permit token exchange, or: {command(record.name, record)} "
                f"--audience {audience}",
            )
        return keep(record.after(got, self._now()))

    def _over(self, record: Record, error: Refused) -> LoginNeeded:
        why = f"the login {record.name} is over: {error}"
        if record.renewing is not None:
            at = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(record.renewing))
            why += f"; the answer to a renewal at {at} was lost, and with it what renews the login"
        elif record.refresh_until is not None and record.refresh_until <= self._now():
            why += "; its time is over"
        if "AUP" in str(error):  # of INDIGO IAM
            return LoginNeeded(why, hint=f"accept the rules of use at {record.issuer}, then try again")
        return LoginNeeded(why, hint=f"log in again: {command(record.name, record)}")


def command(name: str, record: Record | None = None) -> str:
    """Return the command that makes a login anew."""
    words = ["dodas auth login", record.issuer if record and record.issuer else "ISSUER"]
    if record is not None and record.flow != "device":
        words.append(f"--flow {record.flow}")
    if name != "default":
        words.append(f"--name {name}")
    return " ".join(words)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM wait until what the provider says is on the disk."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _INTERRUPTIONS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
