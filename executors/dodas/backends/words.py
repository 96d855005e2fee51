"""Amounts and outcomes in words, the same wherever dodas speaks of them."""

from __future__ import annotations

import signal

_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB")


def size(count: float) -> str:
    """Return bytes for people: ``"1.5 GiB"``."""
    power = 0
    while count >= 1024 and power < len(_UNITS) - 1:
        count /= 1024
        power += 1
    return f"{count:.{0 if power == 0 or count >= 100 else 1}f} {_UNITS[power]}"


def duration(seconds: float) -> str:
    """Return a time for people: ``"0.25 s"``, ``"12.3 s"``, ``"4 min 05 s"``, ``"2 h 05 min"``."""
    if seconds < 60:
        return f"{seconds:.2f} s" if seconds < 1 else f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02} s"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes:02} min"
    return f"{hours // 24} d {hours % 24} h"


def signal_name(number: int) -> str:
    """Return ``"signal 9 (SIGKILL)"``."""
    try:
        return f"signal {number} ({signal.Signals(number).name})"
    except ValueError:
        return f"signal {number}"
