"""Sizes and times as people write them on a command line."""

from __future__ import annotations

import re
from datetime import timedelta
from fractions import Fraction

from dodas.errors import SpecError

_UNIT = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}
_SIZE = re.compile(r"(\d+(?:\.\d*)?|\.\d+)\s*([kmgtp]?)(i?b)?", re.IGNORECASE | re.ASCII)
_CLOCK = re.compile(r"(?:(\d+)-)?(\d+):([0-5]\d):([0-5]\d)", re.ASCII)
_SPAN = re.compile(
    r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?:in)?)?(?:(\d+(?:\.\d*)?)s?)?", re.IGNORECASE | re.ASCII
)
_LONGEST = 365 * 86400 * 1000


def parse_size(text: str) -> int:
    """Return bytes: ``512M``, ``2GiB``, ``1.5g`` in powers of 1024, ``500MB`` in powers of 1000, ``4096``.

    Raises:
        SpecError: It is no size, or less than one byte.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise SpecError(f"{text!r} is not a size", hint="write it like 512M, 2GiB, 500MB or 4096")
    number, unit, suffix = match[1], match[2].lower(), (match[3] or "").lower()
    base = 1000 if suffix == "b" and unit else 1024
    count = int(Fraction(number.rstrip(".")) * base ** _UNIT[unit])
    if count < 1 or (suffix == "ib" and not unit):
        raise SpecError(f"{text!r} is not a size of at least one byte", hint="write it like 512M or 2GiB")
    return count


def parse_time(text: str) -> timedelta:
    """Return a time: ``90`` or ``90s``, ``5m``, ``1h30m``, ``2d``, ``HH:MM:SS``, ``D-HH:MM:SS``.

    Raises:
        SpecError: It is no time, or none at all.
    """
    words = text.strip()
    match = _CLOCK.fullmatch(words) or (_SPAN.fullmatch(words) if words else None)
    if match is None:
        raise SpecError(f"{text!r} is not a time", hint="write it like 90s, 5m, 1h30m or 01:30:00")
    days, hours, minutes, seconds = (Fraction((part or "0").rstrip(".")) for part in match.groups())
    total = ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    if not 0 < total <= _LONGEST or not (span := timedelta(microseconds=int(total * 1_000_000))):
        raise SpecError(f"{text!r} is not a possible time limit", hint="write it like 90s, 5m or 1h30m")
    return span
