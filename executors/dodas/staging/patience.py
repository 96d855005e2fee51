"""How long to wait before the same thing is asked again."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

_FIRST = 0.5  # seconds


def pause(attempt: int, *, longest: float, asked: float = 0.0) -> float:
    """Return the seconds to wait after the failure of ``attempt``, which counts from 1.

    Args:
        attempt: The pause doubles with each.
        longest: No pause is longer.
        asked: What the server asked for, at least.
    """
    # Jitter: a thousand steps whose storage stumbled must not come back in step.
    own = _FIRST * 2.0 ** min(attempt - 1, 16) * random.uniform(0.5, 1.0)  # noqa: S311 - not a secret
    return float(min(longest, max(own, asked)))


def seconds_asked(retry_after: str | None, *, now: Callable[[], float] = time.time) -> float:
    """Return what a ``Retry-After`` header asks for: seconds or a date (RFC 9110, section 10.2.3), else 0."""
    text = (retry_after or "").strip()
    if text.isascii() and text.isdecimal():
        return float(text)
    if not text:
        return 0.0
    from email.utils import parsedate_to_datetime  # noqa: PLC0415 - takes longer to import than all else here

    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now())
    except (TypeError, ValueError, IndexError, OverflowError):
        return 0.0
