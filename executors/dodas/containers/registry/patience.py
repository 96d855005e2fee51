"""How long to wait for a registry, and how often to try."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime

from dodas.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """Limits for one request and its repetitions; times in seconds.

    Attributes:
        connect: Longest time until a connection stands.
        silence: Longest time without a byte, of a transfer as well.
        attempts: Requests in all; the last one's failure counts.  A transfer that gets on starts anew.
        longest: A server that wants a longer pause than this gets no further request.
        sleep: What waits.
    """

    connect: float = 10
    silence: float = 60
    attempts: int = 5
    longest: float = 120
    sleep: Callable[[float], object] = time.sleep

    @property
    def timeout(self) -> tuple[float, float]:
        """The two time limits in the form that requests wants."""
        return self.connect, self.silence

    def pause(self, attempt: int, *, asked: float = 0) -> None:
        """Wait after the failure of ``attempt`` (from 0), at least as long as the server asked for."""
        # Jitter: a thousand jobs whose registry stumbled must not come back in step.
        self.sleep(max(asked, 0.5 * 2**attempt * random.uniform(0.75, 1.25)))  # noqa: S311 - not a secret


def seconds_asked(retry_after: str | None, *, now: Callable[[], float] = time.time) -> float:
    """Return the pause that a ``Retry-After`` header asks for (RFC 9110, section 10.2.3); 0 if none."""
    if not retry_after:
        return 0
    if retry_after.strip().isdecimal():
        return float(retry_after)
    try:
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - now())
    except (TypeError, ValueError):
        return 0
