"""Checksums computed while the bytes pass, and what it means that they agree or differ."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Iterable
from typing import Protocol

from dodas.errors import Corrupt, SpecError
from dodas.staging.crc32c import Crc32c
from dodas.staging.digests import canonical, parse, parse_digest, told_by, want
from dodas.staging.values import Checksum, Expected, Verified

__all__ = [
    "ALGORITHMS",
    "Hasher",
    "canonical",
    "compare",
    "joined_adler32",
    "parse",
    "parse_digest",
    "told_by",
    "verify",
    "want",
]


class _Running(Protocol):
    def update(self, data: bytes | memoryview, /) -> None: ...

    def hexdigest(self) -> str: ...


class _Zlib:
    """``adler32`` or ``crc32`` of :mod:`zlib` in the manner of :mod:`hashlib`."""

    def __init__(self, step: Callable[[bytes | memoryview, int], int], start: int) -> None:
        self._step, self._value = step, start

    def update(self, data: bytes | memoryview, /) -> None:
        self._value = self._step(data, self._value)

    def hexdigest(self) -> str:
        return f"{self._value:08x}"


_MAKERS: dict[str, Callable[[], _Running]] = {
    "adler32": lambda: _Zlib(zlib.adler32, 1),
    "crc32": lambda: _Zlib(zlib.crc32, 0),
    "crc32c": Crc32c,
    # Integrity, not secrecy: these are allowed also where the machine forbids them for signatures.
    "md5": lambda: hashlib.md5(usedforsecurity=False),
    "sha1": lambda: hashlib.sha1(usedforsecurity=False),
    "sha256": hashlib.sha256,
    "sha384": hashlib.sha384,
    "sha512": hashlib.sha512,
}

# Those that can be computed here, the cheapest first.
ALGORITHMS = ("adler32", "crc32", "md5", "sha1", "sha512", "sha384", "sha256", "crc32c")


class Hasher:
    """Computes checksums of what passes.

    Attributes:
        count: Bytes that have passed.
    """

    def __init__(self, algorithms: Iterable[str]) -> None:
        """Begin.

        Args:
            algorithms: Names in any spelling; one that is named twice is computed once.

        Raises:
            SpecError: One of them cannot be computed here.
        """
        self.count = 0
        self._running: dict[str, _Running] = {}
        for given in algorithms:
            name = given if given in _MAKERS else canonical(given)
            if name not in _MAKERS:
                hint = f"use one of {', '.join(ALGORITHMS)}"
                raise SpecError(f"checksums of the kind {name[:100]!r} cannot be computed", hint=hint)
            if name not in self._running:
                self._running[name] = _MAKERS[name]()

    def update(self, data: bytes | memoryview) -> None:
        """Take the next bytes; large pieces cost the least, and let other threads run meanwhile."""
        self.count += len(data)
        for running in self._running.values():
            running.update(data)

    def digests(self) -> tuple[Checksum, ...]:
        """Return the checksums of what has passed so far, in the order they were asked for."""
        return tuple(
            Checksum(algorithm=name, value=running.hexdigest()) for name, running in self._running.items()
        )


def compare(expected: Iterable[Checksum], found: Iterable[Checksum]) -> bool | None:
    """Tell whether two sets of checksums can be of the same file.

    Returns:
        ``None`` if they have no algorithm in common, so that nothing can be said; otherwise whether all
        that can be compared are equal.
    """
    wanted = list(expected)
    pairs = [(one, other) for other in found for one in wanted if one.algorithm == other.algorithm]
    return all(one == other for one, other in pairs) if pairs else None


def verify(what: str, expected: Expected, size: int, found: Iterable[Checksum]) -> Verified:
    """Return how far ``what`` is known to be right.

    Args:
        what: The file, for the error; nothing secret in it.
        expected: What it must be.
        size: Its bytes.
        found: Checksums of it.

    Raises:
        Corrupt: Its size or one of its checksums differs.
    """
    checksums = list(found)
    hint = "try again; if it stays so, the storage holds a damaged copy"
    if expected.size is not None and expected.size != size:
        raise Corrupt(f"{what} has {size} bytes and should have {expected.size}", hint=hint)
    for one in expected.checksums:
        for other in checksums:
            if one.algorithm == other.algorithm and one != other:
                problem = f"{what} has the {one.algorithm} {other.value} and should have {one.value}"
                raise Corrupt(problem, hint=hint)
    if compare(expected.checksums, checksums):
        return Verified.CHECKSUM
    return Verified.NOTHING if expected.size is None else Verified.SIZE


def joined_adler32(parts: Iterable[tuple[Checksum, int]]) -> Checksum:
    """Return the adler32 of a file from those of its parts, which can so be computed in any order.

    Args:
        parts: From the first to the last: the adler32 of each, and its length.
    """
    low, high = 1, 0
    for checksum, length in parts:
        value = int(checksum.value, 16)
        high = (high + (value >> 16) + length * (low - 1)) % 65521
        low = (low + (value & 0xFFFF) - 1) % 65521
    return Checksum(algorithm="adler32", value=f"{high << 16 | low:08x}")
