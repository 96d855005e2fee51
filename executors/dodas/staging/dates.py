"""Times as servers write them, read into seconds since 1970.

A listing has one for every entry, so that the usual form is read without :mod:`email`, which takes ten times
as long.
"""

from __future__ import annotations

import calendar
import re
from datetime import datetime, timezone
from functools import lru_cache

_MONTHS = {
    name: number
    for number, name in enumerate(
        ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"), start=1
    )
}
_USUAL = re.compile(
    r"[A-Z][a-z]{2}, ([0-9]{2} [A-Z][a-z]{2} [0-9]{4}) ([0-9]{2}):([0-9]{2}):([0-9]{2}) (?:GMT|UTC|[+-]0000)",
    re.ASCII,
)
_LONGEST = 64


def http_date(text: str) -> float | None:
    """Return the time of ``Sun, 06 Nov 1994 08:49:37 GMT``, of its older forms, or of one of ISO 8601.

    Returns:
        Seconds since 1970; ``None`` if ``text`` is no time, for no server is to be trusted with that.
    """
    found = _USUAL.fullmatch(text)
    midnight = _midnight(found[1]) if found else None
    if found is None or midnight is None:
        return _unusual(text.strip()) if len(text) <= _LONGEST else None
    hour, minute, second = int(found[2]), int(found[3]), int(found[4])
    return midnight + 3600.0 * hour + 60 * minute + second if max(hour, minute, second) <= 60 else None


@lru_cache(maxsize=1024)
def _midnight(day: str) -> int | None:
    month = _MONTHS.get(day[3:6])
    try:
        date = datetime(int(day[7:]), month or 0, int(day[:2]), tzinfo=timezone.utc)
    except ValueError:
        return None
    return calendar.timegm(date.timetuple())


def _unusual(text: str) -> float | None:
    if text[:1].isdigit():
        return _iso(text)
    from email.utils import parsedate_to_datetime  # noqa: PLC0415 - rare, and much to import

    try:
        return _seconds(parsedate_to_datetime(text))
    except (ValueError, OverflowError, IndexError, TypeError):
        return None


def _iso(text: str) -> float | None:
    # Python before 3.11 knows neither Z nor fractions of other than three or six digits.
    plain = re.sub(r"[.,][0-9]+", "", text).replace("Z", "+00:00")
    try:
        return _seconds(datetime.fromisoformat(plain))
    except (ValueError, OverflowError):
        return None


def _seconds(moment: datetime) -> float:
    return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()
