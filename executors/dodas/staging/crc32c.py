"""CRC-32C, which the standard library does not have, at hundreds of megabytes a second.

A message is a polynomial over GF(2), its CRC the remainder by a fixed one of degree 32.  That one divides
``x^5685 + x^1362 + x^426 + 1``, and so the same with all exponents doubled any number of times: a bit may be
replaced by three that come 5685 - 1362, 5685 - 426 and 5685 places after it.  With the message as one large
integer that is done for half of its bits at once by three shifts, again and again, until so little is
left that a loop over bytes does the rest.

The first bit of a message is the lowest of its integer, as bits are taken the low ones first.
"""

from __future__ import annotations

_DEGREE, _UPPER, _LOWER = 5685, 1362, 426
_REFLECTED = 0x82F63B78
_SMALL = 1024  # bytes below which the loop is as fast
_BLOCK = 128 * 1024  # integers of this many bytes stay in the caches


def _table() -> tuple[int, ...]:
    values = list(range(256))
    for _ in range(8):
        values = [value >> 1 ^ (_REFLECTED if value & 1 else 0) for value in values]
    return tuple(values)


_TABLE = _table()


class Crc32c:
    """A running CRC-32C, in the manner of :mod:`hashlib`."""

    def __init__(self) -> None:
        self._state = 0xFFFFFFFF

    def update(self, data: bytes | memoryview, /) -> None:
        """Take the next bytes."""
        view = memoryview(data).cast("B")
        for start in range(0, len(view), _BLOCK):
            self._state = _after(self._state, view[start : start + _BLOCK])

    def hexdigest(self) -> str:
        """Return the checksum of what has passed so far."""
        return f"{self._state ^ 0xFFFFFFFF:08x}"


def _after(state: int, block: memoryview) -> int:
    """Return the state of the register after ``block``."""
    rest: bytes | memoryview = block
    if len(block) > _SMALL:
        rest = _folded(int.from_bytes(block, "little") ^ state, 8 * len(block))
        state = 0
    for byte in rest:
        state = _TABLE[(state ^ byte) & 0xFF] ^ state >> 8
    return state


def _folded(message: int, bits: int) -> bytes:
    """Return a short message with the same remainder as one of ``bits`` bits."""
    for scale in range(bits.bit_length() - _DEGREE.bit_length(), -1, -1):
        degree, upper, lower = _DEGREE << scale, _UPPER << scale, _LOWER << scale
        while bits > degree + degree // 4:
            taken = min(degree - upper, bits - degree) & ~7
            first = message & (1 << taken) - 1
            message >>= taken
            message ^= (first ^ first << upper - lower ^ first << upper) << degree - upper - taken
            bits -= taken
    return message.to_bytes(bits // 8, "little")
