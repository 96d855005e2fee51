"""Numbers in sentences for people."""

from __future__ import annotations

_UNITS = (("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10))


def size(amount: int) -> str:
    """Return a number of bytes: ``16 GiB``, ``1.5 GiB``."""
    for unit, value in _UNITS:
        if amount >= value:
            return f"{round(amount / value, 1):g} {unit}"
    return f"{amount} B"


def some(count: int, thing: str) -> str:
    """Return how many there are: ``1 worker``, ``2 workers``."""
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"


def duration(seconds: float) -> str:
    """Return a time as people say it: ``45 s``, ``12 min``, ``3 h``, ``2 days``."""
    if seconds < 120:
        return f"{round(seconds)} s"
    if seconds < 7200:
        return f"{round(seconds / 60)} min"
    return f"{round(seconds / 3600)} h" if seconds < 172800 else f"{round(seconds / 86400)} days"
