"""Asks storages, follows where they send it, and asks again after what passes: the one way to the network."""

from __future__ import annotations

import os
import ssl
import threading
from collections.abc import Callable, Container, Mapping
from types import MappingProxyType

from dodas.auth.credentials import Credentials
from dodas.auth.tokens import Token
from dodas.staging import faults, hops, patience, urls
from dodas.staging.bodies import Body
from dodas.staging.channel import Channel
from dodas.staging.cuts import Cut
from dodas.staging.dialing import Route, dial
from dodas.staging.permission import Permission
from dodas.staging.pool import Pool
from dodas.staging.proxies import Proxies
from dodas.staging.requesting import Asker, Call
from dodas.staging.response import Response
from dodas.staging.settings import Settings
from dodas.staging.stale import forget_stale
from dodas.staging.trust import Contexts
from dodas.staging.urls import Url

_NO_FIELDS: Mapping[str, str] = MappingProxyType({})
_REDIRECTIONS = (301, 302, 303, 307, 308)
_UNTOUCHED = (429, 503)  # the server says that it has not done anything


class Exchange:
    """Asks storages; usable from several threads, and a context manager that closes its connections.

    Args:
        settings: Of the user; ``None`` for those of the environment.
        credentials: Of the user; ``None`` for those of the environment.
        environ: Names proxies; that of this process if ``None``.
        sleep: What waits between two attempts; ``None`` for a wait that ends with :meth:`close`.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        credentials: Credentials | None = None,
        *,
        environ: Mapping[str, str] | None = None,
        sleep: Callable[[float], object] | None = None,
    ) -> None:
        self.settings = settings or Settings.from_environment()
        self.credentials = credentials or Credentials.from_environment()
        self._closed = threading.Event()
        self._sleep = sleep or self._closed.wait
        self._contexts = Contexts()
        self._pool = Pool(self._dial, per_host=self.settings.per_host)
        proxies = Proxies(os.environ if environ is None else environ)
        self._asker = Asker(self._pool, proxies, self.credentials)

    def __enter__(self) -> Exchange:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections; those in use when they are given back."""
        self._closed.set()
        self._pool.close()

    def ask(
        self,
        method: str,
        url: Url | str,
        *,
        headers: Mapping[str, str] = _NO_FIELDS,
        body: Body | None = None,
        ok: Container[int] = (200,),
        follow: bool = True,
        retry: bool = True,
        origin: Url | None = None,
        silence: float | None = None,
    ) -> Response:
        """Ask for one thing, and return the answer, whose body the caller reads or closes.

        Args:
            method: In capitals; it stays the same, and the body is sent again, wherever the server redirects.
            url: What for.
            headers: More header fields; those with secrets go only where credentials may go.
            body: Sent along.
            ok: Statuses of answers to return; any other one is raised.
            follow: Whether redirections are followed; otherwise they are answers like others.
            retry: Whether to ask again after what may pass: a broken connection, an overloaded server.  What
                changes something that a second request could not change again is asked again only if the
                first one was not begun.
            origin: What the user named, if an answer about it led to ``url``: credentials go where they might
                have gone if it had been a redirection.
            silence: Longest silence of a server that has to work before it answers, in seconds; ``None`` for
                the usual.

        Raises:
            NotThere: There is no such thing.
            NotAllowed: Other credentials are wanted, or those that are there cannot be used.
            AlreadyThere: Something is there that was not to be replaced.
            StorageUnreachable: The last attempt failed with something that may pass.
            TransferError: Any other answer that is not ``ok``.
            SpecError: The request cannot be sent.
        """
        where = urls.parse(url) if isinstance(url, str) else url
        permission = Permission(origin or where, self.settings, self.credentials)
        call = Call(
            method=method,
            url=where,
            fields=headers,
            body=body,
            permission=permission,
            silence=silence or self.settings.idle_timeout,
        )
        final = ok if follow else _Either(ok, _REDIRECTIONS)
        attempt = 0
        while True:
            attempt += 1
            patient = retry and attempt < self.settings.attempts and not self._closed.is_set()
            asked = self._attempt(call, ok, final, patient)
            if isinstance(asked, Response):
                return asked
            self._sleep(patience.pause(attempt, longest=self.settings.max_wait, asked=asked))

    def token_for(self, url: Url | str, *, asked: Url | str) -> Token | None:
        """Return the token that ``url`` may see when the user asked for ``asked``; ``None`` for none.

        For those who hand it on in a header field of their own, as in third-party copies.

        Raises:
            NotAllowed: There is one that cannot be used.
        """
        target, origin = (urls.parse(one) if isinstance(one, str) else one for one in (url, asked))
        return Permission(origin, self.settings, self.credentials).shown(target).token

    def _attempt(
        self, call: Call, ok: Container[int], final: Container[int], patient: bool
    ) -> Response | float:
        """Return the answer, or how long its server wants to be left alone before it is asked again."""
        try:
            response = hops.follow(self._asker, call, final)
        except Cut as cut:
            if patient and (call.repeatable or not cut.begun):
                return 0.0
            raise faults.broken(call.method, call.url, cut) from None
        if response.status in ok:
            forget_stale(response, call.fields)
            return response
        asked = patience.seconds_asked(response.headers.get("Retry-After"))
        passes = faults.may_pass(response) and (call.repeatable or response.status in _UNTOUCHED)
        if patient and passes and asked <= self.settings.max_wait:
            response.drain()
            return asked
        raise faults.refused(response, access=call.permission.advice(response.url))

    def _dial(self, route: Route) -> Channel:
        context: ssl.SSLContext | None = None
        if route.secure:
            context = self._contexts.get(self.credentials.trust(), route.certificate)
        settings = self.settings
        return dial(route, context, connect=settings.connect_timeout, idle=settings.idle_timeout)


class _Either(Container[int]):
    """What is in one or in the other."""

    def __init__(self, one: Container[int], other: Container[int]) -> None:
        self._both = (one, other)

    def __contains__(self, status: object) -> bool:
        return any(status in one for one in self._both)
