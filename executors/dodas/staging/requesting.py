"""One request to one server: the connection, what is shown over it, and once more with a renewed token."""

from __future__ import annotations

from collections.abc import Mapping

from dodas.auth.certificates import Certificate
from dodas.auth.credentials import Credentials
from dodas.staging import wire
from dodas.staging.bodies import Body
from dodas.staging.cuts import Cut
from dodas.staging.dialing import Route
from dodas.staging.framing import framing
from dodas.staging.permission import Permission, Shown
from dodas.staging.pool import Lease, Pool
from dodas.staging.proxies import Proxies
from dodas.staging.response import Response
from dodas.staging.urls import Url
from dodas.staging.wire import Request
from dodas.values import dataclass

# The same again leaves the same behind, though the answer may differ.
REPEATABLE = frozenset(("GET", "HEAD", "OPTIONS", "PROPFIND", "PUT", "DELETE"))
_YOUNG = 2.0  # seconds in which hardly any server closes an idle connection
_KEPT = 30.0
_NO_QUESTIONS = 417  # the server does not know `Expect`
_MANY = 1_000
_NEEDS_LENGTH = ("PUT", "POST")


# Not frozen: one is made for each request, and that would take thrice as long.
@dataclass(slots=True, kw_only=True)
class Call:
    """What is asked for, by whichever server in the end.

    Attributes:
        method: In capitals.
        url: Where the user began.
        fields: Header fields.
        body: Sent along.
        permission: Who may see what.
        silence: Longest silence of a server, in seconds.
    """

    method: str
    url: Url
    fields: Mapping[str, str]
    body: Body | None
    permission: Permission
    silence: float

    @property
    def repeatable(self) -> bool:
        """Whether it does no harm to ask twice."""
        # What is to be stored only if there is nothing would meet itself.
        return self.method in REPEATABLE and "If-None-Match" not in self.fields


class Asker:
    """Sends requests; usable from several threads.

    Args:
        pool: Gives connections.
        proxies: What is between.
        credentials: Asked for a renewed token.
    """

    def __init__(self, pool: Pool, proxies: Proxies, credentials: Credentials) -> None:
        self._pool = pool
        self._proxies = proxies
        self._credentials = credentials
        self._routes: dict[tuple[str, str, int, Certificate | None], Route] = {}
        self._silent: set[str] = set()  # servers that `Expect` is of no use with

    def once(self, call: Call, url: Url, hops: tuple[Url, ...]) -> Response:
        """Ask ``url``; a token that is refused is replaced if there is a newer one.

        Raises:
            Cut: The connection broke, or there was none.
            TransferError: Something on this side failed.
        """
        shown = call.permission.shown(url)
        response = self._ask(call, url, shown, hops)
        if response.status == _NO_QUESTIONS and call.body is not None:
            self._silent.add(url.authority)
            response.drain()
            response = self._ask(call, url, shown, hops)
        if response.status in (401, 403) and shown.token is not None:
            renewed = self._credentials.renewed(shown.token)
            if renewed is not None:
                response.drain()
                return self._ask(call, url, Shown(token=renewed, certificate=shown.certificate), hops)
        return response

    def _ask(self, call: Call, url: Url, shown: Shown, hops: tuple[Url, ...]) -> Response:
        route = self._route(url, shown)
        request = self._request(call, url, route, shown)
        longest_idle = _KEPT if call.repeatable else _YOUNG
        while True:
            lease = self._pool.lease(route, longest_idle=longest_idle)
            lease.channel.idle = call.silence
            kept = lease.channel.used
            try:
                return self._answer(lease, call, url, request, hops)
            except Cut as cut:
                lease.drop()
                # The server may have closed a kept connection just when we took it.
                if not (cut.gone and kept and call.repeatable):
                    raise
                longest_idle = 0.0
            except BaseException:
                lease.drop()
                raise

    def _route(self, url: Url, shown: Shown) -> Route:
        # A route is the key by which connections are found: one that is made once is found faster.
        key = (url.scheme, url.host, url.port, shown.certificate)
        route = self._routes.get(key)
        if route is None:
            route = Route(
                secure=url.secure,
                host=url.host,
                port=url.port,
                proxy=self._proxies.of(url),
                certificate=shown.certificate,
            )
            if len(self._routes) >= _MANY:
                self._routes.clear()  # certificates that have been renewed, and hosts seen once
            self._routes[key] = route
        return route

    def _request(self, call: Call, url: Url, route: Route, shown: Shown) -> Request:
        fields = call.permission.fields(url, call.fields)
        if shown.token is not None:
            fields["Authorization"] = f"Bearer {shown.token.value}"
        target = url.target
        if route.proxy is not None and not url.secure:
            target = url.wire
            if route.proxy.authorization:
                fields["Proxy-Authorization"] = route.proxy.authorization
        length = call.body.length if call.body else (0 if call.method in _NEEDS_LENGTH else None)
        ask_first = (length or 0) > wire.ASK_FIRST and url.authority not in self._silent
        head = wire.request_head(call.method, target, url.site, fields, length=length, ask_first=ask_first)
        return Request(head=head, body=call.body, ask_first=ask_first)

    def _answer(
        self, lease: Lease, call: Call, url: Url, request: Request, hops: tuple[Url, ...]
    ) -> Response:
        head = wire.exchange(lease.channel, request)
        if head.ignored_question:
            self._silent.add(url.authority)
        body = framing(call.method, head.status, head.headers)
        return Response(call.method, url, head, body, lease, hops=hops)
