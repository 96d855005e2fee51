"""One REST service, spoken to with patience that ends: credentials, repetitions, and errors of ours."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from dodas.containers.registry.endpoints import is_loopback
from dodas.pool.providers import rest_faults
from dodas.pool.providers.base import ProviderError, ProviderUnavailable, Refused
from dodas.pool.providers.rest_answer import Answer, Patience
from dodas.pool.providers.rest_faults import NotFound
from dodas.pool.providers.rest_wire import Call, Wire, checked

__all__ = ["Answer", "NotFound", "Patience", "Service"]

_IDEMPOTENT = ("GET", "HEAD", "PUT", "DELETE")
_PASSING = (429, 502, 503, 504)

Headers = Callable[[bool], Mapping[str, str]]
"""Returns the headers that say who asks; its argument tells to read credentials anew, also unchanged ones."""


class Service:
    """A REST service under one address; for one thread at a time.

    Args:
        name: What it is, for messages: ``the Infrastructure Manager``.
        url: Its address, to which paths are appended; no user or password in it.
        ca_file: Certificates of the authorities to believe, instead of those of the system and environment.
        client: File with a certificate to show, and file with its key.
        headers: Asked at each call, so that renewed credentials are used.
        patience: Limits.

    Raises:
        Refused: The address is none, or credentials would go over the network without encryption.
    """

    def __init__(
        self,
        *,
        name: str,
        url: str,
        ca_file: str = "",
        client: tuple[str, str] | None = None,
        headers: Headers | None = None,
        patience: Patience | None = None,
    ) -> None:
        host = checked(name, url)
        self.who = f"{name} at {host}"
        self._open = url.lower().startswith("http:") and not is_loopback(host)
        self._headers = headers or (lambda fresh: {})
        self._patience = patience or Patience()
        self._end: float | None = None  # by the clock, of several calls together
        self._secrets: tuple[str, ...] = ()  # of the last request
        self._wire = Wire(who=self.who, url=url.rstrip("/"), ca_file=ca_file, client=client)

    def close(self) -> None:
        """Close its connections."""
        self._wire.close()

    @contextmanager
    def together(self) -> Iterator[None]:
        """Let all calls made meanwhile end within the time of one."""
        self._end = self._patience.clock() + self._patience.whole
        try:
            yield
        finally:
            self._end = None

    def ask(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: str | bytes | None = None,
        data: Any = None,
        headers: Mapping[str, str] | None = None,
        expect: Collection[int] = (),
        repeat: bool | None = None,
        slow: bool = False,
    ) -> Answer:
        """Send a request, again where that may help, and return its answer.

        Args:
            method: Such as ``GET``.
            path: Below the address of the service, quoted already; begins with ``/``.
            params: The query.
            body: What is sent.
            data: What is sent as JSON, instead of ``body``.
            headers: Further headers.
            expect: Statuses, beside 2xx, that are returned instead of raised.
            repeat: Whether sending it twice does what sending it once does; by default what HTTP says of
                the method.
            slow: Whether the service may be silent for the whole time of the call.

        Raises:
            ProviderError: One of its classes, by what went wrong; :class:`NotFound` for 404.
        """
        if data is not None:
            body, headers = json.dumps(data), {"Content-Type": "application/json", **(headers or {})}
        content = body.encode() if isinstance(body, str) else body
        call = Call(method=method, path=path, params=params, body=content, headers=headers or {})
        again = method in _IDEMPOTENT if repeat is None else repeat
        end = self._end or self._patience.clock() + self._patience.whole
        attempt, fresh = 0, False
        while True:
            attempt += 1
            self._must_be_in_time(end)
            outcome = self._wire.send(call, self._proof(fresh), self._patience, end=end, slow=slow)
            if isinstance(outcome, Answer) and outcome.status == 401 and not fresh and 401 not in expect:
                fresh, attempt = True, attempt - 1  # a token may have been renewed since
                continue
            if isinstance(outcome, Answer) and (200 <= outcome.status < 300 or outcome.status in expect):
                return outcome
            problem = outcome if isinstance(outcome, ProviderError) else self._fault(call, outcome)
            pause = self._pause(problem, outcome, attempt, end) if again else None
            if pause is None:
                raise problem from None
            self._patience.sleep(pause)

    def _must_be_in_time(self, end: float) -> None:
        if self._patience.clock() >= end:
            raise ProviderUnavailable(f"{self.who} is too slow", hint="nothing: it is asked again later")

    def _proof(self, fresh: bool) -> Mapping[str, str]:
        proof = self._headers(fresh)
        if proof and self._open:
            raise Refused(
                f"{self.who} would get credentials over a connection without encryption",
                hint="use its https address",
            )
        self._secrets = rest_faults.secrets_of(proof)
        return proof

    def _fault(self, call: Call, answer: Answer) -> ProviderError:
        what = rest_faults.redact(f"{call.method} {call.path}", self._secrets)
        return rest_faults.fault(
            self.who, what, answer.status, answer.text, retry_after=answer.retry_after, secrets=self._secrets
        )

    def _pause(
        self, problem: ProviderError, outcome: Answer | ProviderError, attempt: int, end: float
    ) -> float | None:
        """Return how long to wait before the next attempt, ``None`` if there is none."""
        if isinstance(outcome, Answer) and outcome.status not in _PASSING:
            return None
        # Jitter: a hundred agents whose service stumbled must not come back in step.
        own = 0.5 * 2 ** (attempt - 1) * random.uniform(0.75, 1.25)  # noqa: S311 - not a secret
        pause = max(own, problem.retry_after or 0.0)
        late = self._patience.clock() + pause >= end
        return None if late or attempt >= self._patience.attempts else pause
