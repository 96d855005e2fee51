"""Numbers in tar headers."""

from __future__ import annotations

import re

from dodas.containers.tar.faults import TarFault

_DECIMAL = re.compile(rb"(-?)([0-9]{1,18})(?:\.([0-9]*))?")
_LATEST = 1 << 33  # seconds; what file systems can store, the year 2242


def number(block: bytes, start: int, length: int) -> int:
    """Return a header field: octal text, or GNU's base 256 for what does not fit.

    Raises:
        TarFault: It is neither.
    """
    field = block[start : start + length]
    if field[0] & 0x80:
        value = int.from_bytes(field, "big")
        bits = 8 * length
        return value - (1 << bits) if field[0] & 0x40 else value - (1 << (bits - 1))
    text = field.partition(b"\0")[0].strip(b" ")
    try:
        return int(text, 8) if text else 0
    except ValueError:
        raise TarFault(f"not a tar archive, or a damaged one: {text!r} is not a number") from None


def seconds(text: bytes) -> int:
    """Return the nanoseconds of a decimal number of seconds, as pax writes times.

    Raises:
        TarFault: It is not one.
    """
    match = _DECIMAL.fullmatch(text)
    if match is None:
        raise TarFault(f"{text[:40]!r} is not a time")
    sign, whole, fraction = match.groups()
    value = int(whole) * 1_000_000_000 + int((fraction or b"").ljust(9, b"0")[:9])
    return -value if sign else value


def storable(nanoseconds: int) -> int:
    """Return the time nearest to ``nanoseconds`` that file systems can store."""
    return max(0, min(nanoseconds, _LATEST * 1_000_000_000))
