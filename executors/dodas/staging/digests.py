"""Checksums as servers and people write them, read into one form: what RFC 3230, RFC 9530 and clouds send.

Servers differ in letters, in hexadecimal or base64, and some drop leading zeros; the length of a value says
which it is.  What cannot be read is left out, for a checksum that nobody understands verifies nothing.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Collection, Iterable
from itertools import islice
from typing import Protocol

from dodas.errors import SpecError
from dodas.staging.values import Checksum

# Bytes of a value of each algorithm that is understood.
WIDTHS = {
    "adler32": 4,
    "crc32": 4,
    "crc32c": 4,
    "md5": 16,
    "sha1": 20,
    "sha256": 32,
    "sha384": 48,
    "sha512": 64,
}

_OTHER_NAMES = {"sha": "sha1", "adler": "adler32"}
_REGISTERED = {"sha1": "sha", "sha256": "sha-256", "sha512": "sha-512"}
_MOST = 32
# ``adler32=…, sha-256=:…:`` and ownCloud's ``SHA1:… ADLER32:…``; of bounded effort on any text.
_PAIR = re.compile(r"([\w.-]{1,20})\s{0,3}[=:]\s{0,3}([^\s,]{1,200})")
_HEXADECIMAL = frozenset("0123456789abcdefABCDEF")
# Headers whose name says the algorithm, and which tell of the whole file in any answer.
_CLOUDS = {f"x-amz-checksum-{name}": name for name in ("crc32", "crc32c", "sha1", "sha256")}
_LISTS = ("digest", "repr-digest", "x-goog-hash", "oc-checksum")
_TELLING = frozenset((*_LISTS, *_CLOUDS, "content-md5"))


class Headers(Protocol):
    """What is needed of the headers of an answer."""

    def all(self, name: str) -> Iterable[str]:
        """Return the values of the header ``name``, in any letters; nothing if there is none."""

    def has_any(self, names: Collection[str]) -> bool:
        """Tell whether there is one of the headers ``names``, which are in small letters."""


def parse(text: str) -> Checksum:
    """Read a checksum that a user wrote: ``adler32:0a1b2c3d``, also with ``=`` or ``$`` between, or base64.

    Raises:
        SpecError: It is none, or of an algorithm that is not known.
    """
    name, _, value = text.partition(next(iter(re.findall("[:=$]", text)), ":"))
    algorithm = canonical(name)
    hint = f"write ALGORITHM:HEXADECIMAL, with one of {', '.join(WIDTHS)}"
    if algorithm not in WIDTHS:
        raise SpecError(f"{text[:200]!r} is no checksum of a known algorithm", hint=hint)
    checksum = _checksum(algorithm, value)
    if checksum is None:
        problem = f"{value[:200]!r} is no {algorithm}, which has {2 * WIDTHS[algorithm]} hexadecimal digits"
        raise SpecError(problem, hint=hint)
    return checksum


def canonical(name: str) -> str:
    """Return the name that is used here for an algorithm: ``SHA-256`` is ``sha256``, ``sha`` is ``sha1``."""
    plain = name.strip().lower().replace("-", "").replace("_", "")
    return _OTHER_NAMES.get(plain, plain)


def parse_digest(header: str) -> tuple[Checksum, ...]:
    """Return what a ``Digest`` or ``Repr-Digest`` header tells, in its order, each once.

    Never fails: a checksum that is not known or cannot be read is left out.
    """
    pairs = (match.groups() for match in islice(_PAIR.finditer(header), _MOST))
    found = (_checksum(canonical(name), value) for name, value in pairs)
    return tuple(dict.fromkeys(filter(None, found)))


def told_by(headers: Headers, *, whole: bool = True) -> tuple[Checksum, ...]:
    """Return the checksums of the file which the headers of an answer tell.

    Args:
        headers: Those of an answer to GET, HEAD or PUT.
        whole: Whether the body is, or would be, the whole file; ``Content-MD5`` is of what is sent.
    """
    if not headers.has_any(_TELLING):
        return ()
    found = [one for name in _LISTS for value in headers.all(name) for one in parse_digest(value)]
    fixed = {**_CLOUDS, "content-md5": "md5"} if whole else _CLOUDS
    for header, algorithm in fixed.items():
        found += filter(None, (_checksum(algorithm, value) for value in headers.all(header)))
    return tuple(dict.fromkeys(found))


def checksum_of(name: str, value: str) -> Checksum | None:
    """Return the checksum that a document tells as ``name`` and ``value``, if it can be understood."""
    return _checksum(canonical(name), value)


def want(algorithms: Iterable[str]) -> str:
    """Return the value of a ``Want-Digest`` header that asks for one of ``algorithms``, the first preferred.

    Without weights, which XRootD does not understand; it takes the first in the list that it knows.
    """
    return ", ".join(_REGISTERED.get(name, name) for name in algorithms)


def _checksum(algorithm: str, text: str) -> Checksum | None:
    width = WIDTHS.get(algorithm)
    if width is None:
        return None
    value = _hexadecimal(text.partition(";")[0].strip().strip('"'), width)
    return Checksum(algorithm=algorithm, value=value) if value else None


def _hexadecimal(text: str, width: int) -> str:
    """Return a value of ``width`` bytes as hexadecimal, empty if it has another length."""
    if text.startswith(":"):  # a byte sequence of RFC 8941
        return _from_base64(text.strip(":"), width)
    if _HEXADECIMAL.issuperset(text):
        if len(text) == 2 * width:
            return text.lower()
        if width == 4 and 0 < len(text) < 8:
            return text.lower().zfill(8)
    return _from_base64(text, width)


def _from_base64(text: str, width: int) -> str:
    plain = text.rstrip("=").replace("-", "+").replace("_", "/")
    if len(plain) != (8 * width + 5) // 6 or not plain.isascii():
        return ""
    try:
        decoded = binascii.a2b_base64(plain + "=" * (-len(plain) % 4))
    except binascii.Error:
        return ""
    return decoded.hex() if len(decoded) == width else ""
