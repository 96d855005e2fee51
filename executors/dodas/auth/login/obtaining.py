"""New logins: each flow from what the user says to what is kept."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import field, replace

from dodas.auth.login import device
from dodas.auth.login.asking import DEVICE, REFRESH, Asking, is_for, joined
from dodas.auth.login.client import Client, client, register, unregister
from dodas.auth.login.granted import Granted
from dodas.auth.login.provider import Provider, discover
from dodas.auth.login.record import Record
from dodas.auth.login.renewal import command, undisturbed
from dodas.auth.login.store import Held, Store
from dodas.auth.login.wire import Wire
from dodas.errors import SpecError, TransferError
from dodas.values import dataclass

FLOWS = ("device", "client-credentials", "refresh")
_USUAL = ("openid", "profile", "offline_access", "wlcg.groups")
_ALWAYS = ("openid", "offline_access")  # without the latter nothing renews the login


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the user asks for.

    Attributes:
        name: What the login is to be called.
        issuer: The provider.
        flow: One of :data:`FLOWS`.
        client_id: Of the client; empty to take that of the login before, or to register one.
        client_secret: Of it; empty for a public one.
        scopes: To ask for; empty for the usual ones.
        audience: For whom tokens are to be; empty for whom the provider chooses.
        refresh: The refresh token to begin with, for that flow.
    """

    name: str
    issuer: str
    flow: str = "device"
    client_id: str = ""
    client_secret: str = field(default="", repr=False)
    scopes: tuple[str, ...] = ()
    audience: str = ""
    refresh: str = field(default="", repr=False)


class Obtaining:
    """Makes logins.

    Args:
        store: Where they are kept.
        wire: Asks providers.
        show: Shows the user what to do.
        warn: Tells the user something that is not as it should be.
        now: The time, in seconds since 1970.
    """

    def __init__(
        self,
        store: Store,
        wire: Wire,
        *,
        show: Callable[[device.Prompt], None],
        warn: Callable[[str], None],
        now: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._wire = wire
        self._show = show
        self._warn = warn
        self._now = now

    def log_in(self, wanted: Wanted) -> Record:
        """Make a login and keep it, in place of one of the same name.

        Raises:
            SpecError: The issuer is none, or something is missing.
            LoginNeeded: The user did not consent.
            NotAllowed: The provider refuses it.
            IssuerUnreachable: The provider does not answer.
            NotKept: The disk does not take it.
        """
        provider = discover(self._wire, wanted.issuer, now=self._now())
        if provider.clock_is_wrong:
            side = "behind" if provider.skew > 0 else "ahead of"
            self._warn(
                f"the clock of this machine is {abs(provider.skew):.0f} s {side} that of {provider.issuer}; "
                "services may refuse tokens until it is set right"
            )
        with self._store.locked(wanted.name) as held, held.room():
            pass  # a disk that is full is better known before the user is asked for anything
        old = self._before(wanted.name)
        who = self._client(wanted, provider, old)
        asking = Asking(self._wire, provider, who, now=self._now)
        record = Record(
            name=wanted.name,
            issuer=provider.issuer,
            flow=wanted.flow,
            client=who,
            audience=wanted.audience,
            scope=joined(self._allowed(_scopes(wanted, provider), who)),
        )
        made = self._identified(self._obtain(wanted, asking, record), asking)
        if old is not None and old.client.id != who.id and old.issuer == provider.issuer:
            unregister(self._wire, old.client)
        return made

    def _allowed(self, scopes: Sequence[str], who: Client) -> list[str]:
        """Return those scopes that a client may ask for: some providers take the others from it, silently."""
        kept = [one for one in scopes if who.may_ask_for([one])]
        lacking = [one for one in scopes if one not in kept]
        if lacking:
            self._warn(
                f"the provider does not let a new client ask for {' '.join(lacking)}; "
                "give --client-id of one that may"
            )
        return kept

    def _before(self, name: str) -> Record | None:
        with suppress(TransferError):  # one that is damaged is in nobody's way
            return self._store.read(name)
        return None

    def _client(self, wanted: Wanted, provider: Provider, old: Record | None) -> Client:
        if wanted.client_id:
            return client(wanted.client_id, wanted.client_secret, provider)
        is_his = old is not None and old.issuer == provider.issuer and old.client.id
        if old is not None and is_his and old.client.may_ask_for(_scopes(wanted, provider)):
            return old.client  # a login that is over leaves its client, which need not be registered again
        if wanted.flow != "device":
            raise SpecError(
                f"the flow {wanted.flow} needs a client that {provider.issuer} knows", hint="give --client-id"
            )
        return register(
            self._wire,
            provider,
            grants=(DEVICE, REFRESH),
            scopes=_scopes(wanted, provider),
            host=socket.gethostname(),
        )

    def _obtain(self, wanted: Wanted, asking: Asking, record: Record) -> Record:
        if wanted.flow == "device":
            return self._by_device(asking, record)
        with self._store.locked(record.name) as held:
            if wanted.flow == "client-credentials":
                return self._keep(
                    held, record, lambda: asking.by_secret(scope=record.scope, audience=record.audience)
                )
            record = replace(record, refresh=wanted.refresh)
            return self._keep(held, record, lambda: asking.refresh(wanted.refresh, audience=record.audience))

    def _by_device(self, asking: Asking, record: Record) -> Record:
        prompt = device.begin(asking, scope=record.scope, audience=record.audience)
        self._show(prompt)
        # The user takes minutes; nobody else has to wait for that.
        got = device.wait(asking, prompt, audience=record.audience, again=command(record.name, record))
        with self._store.locked(record.name) as held:
            return self._keep(held, record, lambda: got)

    def _keep(self, held: Held, record: Record, ask: Callable[[], Granted]) -> Record:
        with undisturbed(), held.room() as keep:
            got = ask()
            got = replace(got, access=replace(got.access, audience=record.audience, asked=""))
            if record.audience and not is_for(got, record.audience):
                self._warn(f"{record.issuer} takes no notice of --audience, and gives tokens for others")
            return keep(record.after(got, self._now()))

    def _identified(self, record: Record, asking: Asking) -> Record:
        """Return it with who the user is, asked of the provider where its tokens do not say that."""
        found = record.token()
        url = asking.provider.userinfo
        if (record.subject and record.groups) or found is None or not url or "openid" not in found.scope:
            return record
        with suppress(TransferError):
            answer = self._wire.get(url, bearer=found.value)
            if answer.good:
                known = record.known_by(answer.body)
                with self._store.locked(record.name) as held:
                    now = self._store.read(record.name)
                    if known != record and now is not None and now.serial == record.serial:
                        return held.mark(known)
        return record


def _scopes(wanted: Wanted, provider: Provider) -> tuple[str, ...]:
    """Return the scopes to ask for: those that are wanted, and what a login needs to last."""
    if wanted.flow == "client-credentials":
        return wanted.scopes
    more = _ALWAYS if wanted.scopes else _USUAL
    return (*wanted.scopes, *(one for one in more if not provider.scopes or one in provider.scopes))
