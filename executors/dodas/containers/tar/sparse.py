"""Maps of sparse files, in the four forms that GNU tar has written them."""

from __future__ import annotations

from typing import Protocol

from dodas.containers.tar.faults import TarFault
from dodas.containers.tar.numbers import number
from dodas.containers.tar.paxrecords import Pax

Extents = tuple[tuple[int, int], ...]
_MOST = 1 << 17
_BLOCK = 512


class _Source(Protocol):
    def take(self, count: int) -> bytes: ...


def gnu_extents(source: _Source, block: bytes) -> Extents:
    """Return the map of an old GNU sparse member, of which further blocks are taken from ``source``."""
    extents = _pairs(block, 386, 4)
    extended = block[482]
    while extended:
        more = source.take(_BLOCK)
        extents += _pairs(more, 0, 21)
        extended = more[504]
        if len(extents) > _MOST:
            raise TarFault("a sparse file of too many pieces")
    return _checked(extents)


def pax_extents(source: _Source, pax: Pax) -> Extents:
    """Return the map of a pax sparse member; that of format 1.0 is taken from ``source``."""
    if b"GNU.sparse.map" in pax:
        numbers = pax[b"GNU.sparse.map"].split(b",")
        if not all(digits.isdigit() for digits in numbers) or len(numbers) % 2:
            raise TarFault("the map of a sparse file is damaged")
        values = [int(digits) for digits in numbers]
    else:
        values = _map_in_data(source)
    # Of equal length: their number is even.  Nodes may have Python 3.9, whose ``zip`` cannot be strict.
    return _checked(list(zip(values[::2], values[1::2])))  # noqa: B905


def _map_in_data(source: _Source) -> list[int]:
    """Format 1.0: decimal numbers, one a line, padded to whole blocks; the first is how many pairs follow."""
    text = b""
    wanted = 1
    while text.count(b"\n") < wanted:
        text += source.take(_BLOCK)
        count, newline, _ = text.partition(b"\n")
        if not newline or not count.isdigit() or int(count) > _MOST:
            raise TarFault("the map of a sparse file is damaged")
        wanted = 1 + 2 * int(count)
    lines = text.split(b"\n")[1:wanted]
    if not all(line.isdigit() for line in lines):
        raise TarFault("the map of a sparse file is damaged")
    return [int(line) for line in lines]


def _pairs(block: bytes, start: int, most: int) -> list[tuple[int, int]]:
    pairs = []
    for at in range(start, start + 24 * most, 24):
        if not block[at]:
            break
        pairs.append((number(block, at, 12), number(block, at + 12, 12)))
    return pairs


def _checked(extents: list[tuple[int, int]]) -> Extents:
    end = 0
    for offset, length in extents:
        if offset < end or length < 0:
            raise TarFault("the pieces of a sparse file overlap")
        end = offset + length
    return tuple(extents)
