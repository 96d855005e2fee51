"""The members of a tar archive: ustar, GNU and pax, after POSIX.1-2017 ``pax`` and the GNU tar manual."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import NamedTuple, Protocol

from dodas.containers.tar.faults import TarFault
from dodas.containers.tar.numbers import number, seconds
from dodas.containers.tar.paxrecords import Pax, parse_pax
from dodas.containers.tar.sparse import Extents, gnu_extents, pax_extents

BLOCK = 512
_SPARSE = frozenset({b"GNU.sparse.name", b"GNU.sparse.size", b"GNU.sparse.realsize"})
_ZEROS = bytes(BLOCK)
_LONGEST_EXTENSION = 1 << 20  # as in Go's archive/tar, hence in Docker


class Kind(Enum):
    """What a member makes."""

    FILE = 1
    HARD_LINK = 2
    SYMLINK = 3
    DIRECTORY = 4
    FIFO = 5
    DEVICE = 6
    OTHER = 7


_KINDS = {
    **dict.fromkeys(b"0\x007", Kind.FILE),
    **dict.fromkeys(b"S", Kind.FILE),
    **dict.fromkeys(b"1", Kind.HARD_LINK),
    **dict.fromkeys(b"2", Kind.SYMLINK),
    **dict.fromkeys(b"34", Kind.DEVICE),
    **dict.fromkeys(b"5", Kind.DIRECTORY),
    **dict.fromkeys(b"6", Kind.FIFO),
}
# A size in these headers is not followed by data (Go's archive/tar and GNU tar agree).
_WITHOUT_DATA = frozenset({Kind.HARD_LINK, Kind.SYMLINK, Kind.DIRECTORY, Kind.FIFO, Kind.DEVICE})


class Member(NamedTuple):
    """One member.

    Attributes:
        path: Name as in the archive, without trailing slashes.
        kind: What it makes.
        size: Bytes of data that follow in the archive.
        mode: Permission bits with set-uid, set-gid and sticky.
        mtime: Modification time in nanoseconds since 1970.
        target: Where a link points to.
        extents: ``(offset, length)`` of the data in a sparse file; ``None`` for others.
        real_size: Size of the file that is made.
    """

    path: bytes
    kind: Kind
    size: int
    mode: int
    mtime: int
    target: bytes
    extents: Extents | None
    real_size: int


class Source(Protocol):
    """Where archive bytes come from, in order."""

    def block(self) -> bytes:
        """Return the next 512 bytes, or nothing at the end of the archive."""

    def take(self, count: int) -> bytes:
        """Return exactly ``count`` bytes; raise `TarFault` when there are fewer."""

    def skip_to(self, position: int) -> None:
        """Pass over bytes; raise `TarFault` when there are fewer."""

    @property
    def position(self) -> int:
        """Bytes taken and skipped so far."""


def members(source: Source) -> Iterator[Member]:
    """Yield each member; the consumer may take its data from ``source`` before it asks for the next one.

    Raises:
        TarFault: This is not a tar archive, or it ends too early, or a member makes no sense.
    """
    defaults: Pax = {}
    long_path = long_target = b""
    own: Pax = {}
    while (block := source.block()) and block != _ZEROS:
        _verify_checksum(block)
        kind = block[156:157]
        if kind in b"gxLK":
            extension = _extension(source, block)
            if kind == b"L":
                long_path = extension
            elif kind == b"K":
                long_target = extension
            elif kind == b"x":
                own = parse_pax(extension)
            else:
                defaults = {**defaults, **parse_pax(extension)}
            continue
        member = _member(source, block, {**defaults, **own} if defaults else own, long_path, long_target)
        end = source.position + _padded(member.size)
        yield member
        source.skip_to(end)
        own, long_path, long_target = {}, b"", b""


def _member(source: Source, block: bytes, pax: Pax, long_path: bytes, long_target: bytes) -> Member:
    kind = _KINDS.get(block[156], Kind.OTHER)
    path = pax.get(b"path") or long_path or _path(block)
    target = pax.get(b"linkpath") or long_target or _text(block, 157, 100)
    mtime = seconds(pax[b"mtime"]) if b"mtime" in pax else number(block, 136, 12) * 1_000_000_000
    size = real_size = _pax_size(pax, number(block, 124, 12))
    extents: Extents | None = None
    if block[156:157] == b"S":
        extents, real_size = gnu_extents(source, block), number(block, 483, 12)
    elif not _SPARSE.isdisjoint(pax):
        path, size, real_size, extents = _pax_sparse(source, pax, path, size)
    if kind is Kind.FILE and path.endswith(b"/"):
        kind = Kind.DIRECTORY  # archives from before POSIX
    if kind in _WITHOUT_DATA:
        size = real_size = 0
    if min(size, real_size) < 0 or b"\0" in path or b"\0" in target:
        raise TarFault(f"member {path[:80]!r} makes no sense")
    mode = number(block, 100, 8) & 0o7777
    return Member(path.rstrip(b"/"), kind, size, mode, mtime, target, extents, real_size)


def _pax_sparse(source: Source, pax: Pax, path: bytes, size: int) -> tuple[bytes, int, int, Extents]:
    start = source.position
    extents = pax_extents(source, pax)
    real = pax.get(b"GNU.sparse.realsize") or pax.get(b"GNU.sparse.size") or b""
    if not real.isdigit():
        raise TarFault(f"sparse member {path[:80]!r} has no size")
    # In format 1.0 the map is at the head of the data.
    return pax.get(b"GNU.sparse.name", path), size - (source.position - start), int(real), extents


def _pax_size(pax: Pax, size: int) -> int:
    text = pax.get(b"size")
    if text is None:
        return size
    if not text.isdigit():
        raise TarFault(f"{text[:40]!r} is not a size")
    return int(text)


def _extension(source: Source, block: bytes) -> bytes:
    size = number(block, 124, 12)
    if not 0 <= size <= _LONGEST_EXTENSION:
        raise TarFault(f"an extended header of {size} bytes")
    text = source.take(_padded(size))[:size]
    return text if block[156:157] in b"gx" else text.partition(b"\0")[0]


def _path(block: bytes) -> bytes:
    name = _text(block, 0, 100)
    if block[257:263] != b"ustar\0":
        return name  # GNU and older ones have other things where ustar has a prefix
    prefix = _text(block, 345, 131 if block[508:] == b"tar\0" else 155)
    return prefix + b"/" + name if prefix else name


def _text(block: bytes, start: int, length: int) -> bytes:
    return block[start : start + length].partition(b"\0")[0]


def _padded(size: int) -> int:
    return (size + BLOCK - 1) // BLOCK * BLOCK


def _verify_checksum(block: bytes) -> None:
    stated = number(block, 148, 8)
    outside = block[:148] + block[156:]
    if stated == sum(outside) + 8 * 0x20:
        return
    # Historic implementations summed signed characters.
    if stated != sum(outside) - 256 * sum(byte > 127 for byte in outside) + 8 * 0x20:
        raise TarFault(f"not a tar archive, or a damaged one: a header begins with {block[:16]!r}")
