"""What is asked of a provider, again where that is safe, and never for longer than a minute."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import field
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlencode, urlsplit

from dodas import __version__
from dodas.auth.login import trusted
from dodas.auth.login.connecting import Received, Sent, Untrusted, exchange
from dodas.auth.login.faults import AnswerLost, IssuerUnreachable
from dodas.values import dataclass

_WHOLE = 60.0  # seconds
_BRIEF = 10.0
_ATTEMPTS = 3
_BUSY = (503,)  # it says that it did nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a provider said.

    Attributes:
        status: HTTP status.
        body: The JSON object; empty if there is none.
        date: Its clock, seconds since 1970; ``None`` if it does not say.
    """

    status: int
    body: Mapping[str, Any] = field(repr=False)
    date: float | None = None

    @property
    def good(self) -> bool:
        """Whether it did what it was asked to."""
        return 200 <= self.status < 300


class Elsewhere(AnswerLost):
    """What answers is not the provider; asking again gives the same."""

    retryable = False


class Wire:
    """Asks providers.

    Args:
        environ: Says whom to believe, and which proxy to go through.
        seconds: How long one question may take, with all attempts.
        attempts: How often it is tried.
        sleep: Waits.
    """

    def __init__(
        self,
        environ: Mapping[str, str],
        *,
        seconds: float = _WHOLE,
        attempts: int = _ATTEMPTS,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.environ = environ
        self._seconds = seconds
        self._attempts = attempts
        self._sleep = sleep

    def hurried(self) -> Wire:
        """Return one that tries once, and not for long."""
        return Wire(self.environ, seconds=_BRIEF, attempts=1, sleep=self._sleep)

    def get(self, url: str, *, bearer: str = "") -> Answer:
        """Ask for something."""
        return self._persist(Sent(method="GET", url=url, headers=_headers(_bearer(bearer))), again=True)

    def delete(self, url: str, *, bearer: str) -> Answer:
        """Have something removed."""
        return self._persist(Sent(method="DELETE", url=url, headers=_headers(_bearer(bearer))), again=True)

    def post(self, url: str, form: Mapping[str, str], *, authorization: str = "") -> Answer:
        """Send a form; only once, if it may have arrived.

        Raises:
            AnswerLost: It may have arrived, and no answer came.
            IssuerUnreachable: It did not arrive, or the provider says that it did nothing.
        """
        headers = _headers(authorization, **{"Content-Type": "application/x-www-form-urlencoded"})
        body = urlencode(form).encode()
        return self._persist(Sent(method="POST", url=url, headers=headers, body=body), again=False)

    def post_json(self, url: str, body: Mapping[str, Any]) -> Answer:
        """Send an object, likewise."""
        headers = _headers("", **{"Content-Type": "application/json"})
        sent = Sent(method="POST", url=url, headers=headers, body=json.dumps(body).encode())
        return self._persist(sent, again=False)

    def _persist(self, request: Sent, *, again: bool) -> Answer:
        host = urlsplit(request.url).netloc
        if not trusted.may_see_secrets(request.url):
            raise Untrusted(f"{host} would have to be spoken to without encryption")
        deadline = time.monotonic() + self._seconds
        attempt = 0
        while True:
            attempt += 1
            pause = min(8.0, 0.5 * 2**attempt) * random.uniform(0.7, 1.0)  # noqa: S311 - no secret
            try:
                received = exchange(request, self.environ, deadline=deadline)
                pause = max(pause, _asked(received.headers.get("retry-after", "")))
                _refuse_trouble(received, host, sure=again)
                return _answer(received, host)
            except IssuerUnreachable as fault:
                is_safe = again or not isinstance(fault, AnswerLost)
                has_time = attempt < self._attempts and time.monotonic() + pause < deadline
                if not (fault.retryable and is_safe and has_time):
                    raise
            self._sleep(pause)


def _refuse_trouble(received: Received, host: str, *, sure: bool) -> None:
    """Raise what is wrong with an answer that says nothing about the question."""
    if received.status == 429:
        raise IssuerUnreachable(f"{host} says that it was asked too often (429)", hint="try again later")
    if received.status >= 500:
        problem = f"{host} is in trouble (it answers with status {received.status})"
        kind = IssuerUnreachable if sure or received.status in _BUSY else AnswerLost
        raise kind(problem, hint="try again later")


def _answer(received: Received, host: str) -> Answer:
    if 300 <= received.status < 400:
        raise Elsewhere(
            f"{host} sends on to another address, where secrets are not sent",
            hint="give the issuer as its provider writes it",
        )
    try:
        body = json.loads(received.body) if received.body else {}
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        if received.status == 200:
            raise Elsewhere(
                f"{host} answers with something that is no JSON, such as a web page",
                hint="check the address; log in at the network's sign-in page if there is one",
            )
        body = {}
    return Answer(status=received.status, body=body, date=_date(received.headers.get("date", "")))


def _headers(authorization: str, **more: str) -> dict[str, str]:
    headers = {"Accept": "application/json", "User-Agent": f"dodas/{__version__}", "Connection": "close"}
    if authorization:
        headers["Authorization"] = authorization
    return {**headers, **more}


def _bearer(token: str) -> str:
    return f"Bearer {token}" if token else ""


def _date(text: str) -> float | None:
    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, IndexError):
        return None


def _asked(text: str) -> float:
    """Return the seconds that ``Retry-After`` asks to wait."""
    if text.strip().isdecimal():
        return float(text)
    date = _date(text)
    return 0.0 if date is None else max(0.0, date - time.time())
