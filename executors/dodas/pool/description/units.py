"""Sizes, durations and times as a description has them, and as it is shown to people."""

from __future__ import annotations

import re
from datetime import datetime
from fractions import Fraction

_SIZE = re.compile(r"([0-9]{1,20}(?:\.[0-9]{1,20})?|\.[0-9]{1,20}) ?(?:([kmgtp])(i?))?(b?)", re.IGNORECASE)
_SPAN = re.compile(
    r"(?=[0-9])(?:([0-9.]+)d)? ?(?:([0-9.]+)h)? ?(?:([0-9.]+)(?:m|min))? ?(?:([0-9.]+)s)?", re.ASCII
)
_LARGEST = 1 << 60
_LONGEST = 36500 * 86400
_POWERS = "kmgtp"
_SECONDS = ((86400, "d"), (3600, "h"), (60, "m"), (1, "s"))


def size(text: str | int) -> int:
    """Return bytes: ``8GiB`` and ``8G`` are powers of 1024, ``8GB`` of 1000, as in all of dodas.

    Raises:
        ValueError: It is no size, or a negative or very large one.
    """
    match = _SIZE.fullmatch(str(text))
    if match is None:
        raise ValueError("no size")
    number, unit, binary, byte = match.groups()
    base = 1000 if byte and unit and not binary else 1024
    count = int(Fraction(number) * base ** (_POWERS.index(unit.lower()) + 1 if unit else 0))
    if count > _LARGEST:
        raise ValueError("too large")
    return count


def duration(text: str | int) -> float:
    """Return seconds: ``90s``, ``5m``, ``1h30m``, ``2d``; ``0`` needs no unit.

    Raises:
        ValueError: It is no duration, or a very long one.
    """
    if str(text) == "0":
        return 0.0
    match = _SPAN.fullmatch(str(text))
    if match is None or len(str(text)) > 60:
        raise ValueError("no duration")
    parts = [Fraction(part or 0) for part in match.groups()]
    total = sum(part * seconds for part, (seconds, _) in zip(parts, _SECONDS, strict=True))
    if total > _LONGEST:
        raise ValueError("too long")
    return float(total)


def moment(text: str) -> float:
    """Return Unix time: ``2027-03-01T12:00:00+01:00``, ``2027-03-01 11:00Z``.

    Raises:
        ValueError: It is no time, or has no zone.
    """
    # Python 3.10 knows neither `Z` nor a space before the zone, nor fractions of any length.
    words = re.sub(r" ?[Zz]$", "+00:00", text.strip())
    words = re.sub(r"(\.[0-9]+)", "", re.sub(r" (?=[+-][0-9:]+$)", "", words))
    at = datetime.fromisoformat(words.replace("t", "T"))
    if at.tzinfo is None:
        raise ValueError("no zone")
    return at.timestamp()


def size_text(count: int) -> str:
    """Return bytes so that :func:`size` gives them back."""
    for power in (5, 4, 3, 2, 1):
        unit = 1024**power
        if count and count % unit == 0:
            return f"{count // unit}{_POWERS[power - 1].upper()}iB"
    return str(count)


def duration_text(seconds: float) -> str:
    """Return seconds so that :func:`duration` gives them back: ``1h30m``."""
    rest = Fraction(seconds).limit_denominator(1_000_000)
    words = ""
    for unit, letter in _SECONDS[:3]:
        count, rest = divmod(rest, unit)
        words += f"{count}{letter}" if count else ""
    if not rest and words:
        return words
    return words + (f"{rest.numerator}s" if rest.denominator == 1 else f"{float(rest):.6f}".rstrip("0") + "s")
