"""What a REST service answered, and how long to wait for it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any

from dodas.pool.providers.base import ProviderUnavailable


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """Limits of a call; times in seconds.

    Attributes:
        connect: Until a connection stands.
        read: Longest silence of the service.
        whole: A call with all its repetitions.
        attempts: Requests in all.
        sleep: What waits.
        clock: What tells the time, which only goes on.
    """

    connect: float = 5.0
    read: float = 30.0
    whole: float = 60.0
    attempts: int = 4
    sleep: Callable[[float], object] = time.sleep
    clock: Callable[[], float] = time.monotonic


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a service answered.

    Attributes:
        status: Of HTTP.
        headers: By name; asked for in any case of letters.
        body: Bytes.
        who: The service, for messages.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    who: str = "the service"

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        """Return what the body says.

        Raises:
            ProviderUnavailable: It is no JSON, as from a proxy's error page.
        """
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            raise ProviderUnavailable(
                f"{self.who} answered with something that is not JSON",
                hint="check that the address is that of the service, not of a web page before it",
            ) from None

    @property
    def retry_after(self) -> float | None:
        """Seconds that it asks to wait (RFC 9110, section 10.2.3)."""
        value = str(self.headers.get("Retry-After", "")).strip()
        if value.isdecimal():
            return float(value[:9])
        try:
            return max(0.0, parsedate_to_datetime(value).timestamp() - time.time()) if value else None
        except (TypeError, ValueError):
            return None
