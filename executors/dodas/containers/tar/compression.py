"""Compressed bytes to bytes: gzip, xz, bzip2 and zstd, found by their first bytes.

Several members one after another are one stream, as pigz, estargz and zstd:chunked write them.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterator
from typing import Protocol

from dodas.containers.tar.faults import TarFault
from dodas.containers.tar.zstandards import zstd_decoder, zstd_program

# Small enough that a stream of thousands of members, each of which copies what follows it, stays cheap.
PIECE = 1 << 17
_MOST = 1 << 20


class Decoder(Protocol):
    """What ``lzma``, ``bz2`` and Python 3.14's ``compression.zstd`` have in common."""

    @property
    def eof(self) -> bool:
        """Whether the stream has ended."""

    @property
    def needs_input(self) -> bool:
        """Whether there is no more to have without more input."""

    @property
    def unused_data(self) -> bytes:
        """What followed the end."""

    def decompress(self, data: bytes, max_length: int = -1, /) -> bytes:
        """Take input and return at most so many bytes."""


class _Gzip:
    def __init__(self) -> None:
        self._inner = zlib.decompressobj(wbits=31)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def needs_input(self) -> bool:
        return not self._inner.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def decompress(self, data: bytes, max_length: int = -1, /) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail + data, max_length)


def _xz() -> Decoder:
    return lzma.LZMADecompressor(format=lzma.FORMAT_XZ)


_DECODERS: dict[str, Callable[[], Decoder]] = {"gzip": _Gzip, "xz": _xz, "bzip2": bz2.BZ2Decompressor}
_MAGIC = ((b"\x1f\x8b", "gzip"), (b"\xfd7zXZ\0", "xz"), (b"BZh", "bzip2"), (b"\x28\xb5\x2f\xfd", "zstd"))
_LONGEST_MAGIC = 6


def compression(head: bytes) -> str:
    """Return ``gzip``, ``xz``, ``bzip2`` or ``zstd``; empty when the first bytes say none of them."""
    # zstd may begin with a skippable frame, of which there are sixteen kinds.
    if head[:1] in b"PQRSTUVWXYZ[\\]^_" and head[1:4] == b"\x2a\x4d\x18":
        return "zstd"
    return next((name for magic, name in _MAGIC if head.startswith(magic)), "")


def decompressed(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Yield what ``pieces`` hold, decompressed if they are compressed.

    Raises:
        TarFault: The compressed bytes are damaged or end too early.
        SpecError: They need a decompressor that is not installed.
    """
    first = next(pieces, b"")
    while len(first) < _LONGEST_MAGIC and (more := next(pieces, b"")):
        first += more
    name = compression(first)
    if not name:
        return _chain(first, pieces)
    decoder = zstd_decoder() if name == "zstd" else _DECODERS[name]
    if decoder is None:
        return zstd_program(_chain(first, pieces))
    return _inflated(_chain(first, pieces), name, decoder)


def _chain(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    if first:
        yield first
    yield from rest


def _inflated(pieces: Iterator[bytes], name: str, new_decoder: Callable[[], Decoder]) -> Iterator[bytes]:
    decoder: Decoder | None = None
    try:
        for piece in pieces:
            data = piece
            while data:
                if decoder is None:
                    if not data.strip(b"\0"):
                        break  # padding, as of tapes
                    decoder = new_decoder()
                yield from _some(decoder, data)
                data = decoder.unused_data if decoder.eof else b""
                decoder = None if decoder.eof else decoder
    except _Damaged as error:
        raise TarFault(f"damaged {name} data: {error}") from error
    if decoder is not None:
        raise TarFault(f"the {name} data end too early")


class _Damaged(Exception):
    """What each decoder says in its own way."""


def _some(decoder: Decoder, data: bytes) -> Iterator[bytes]:
    while True:
        try:
            out = decoder.decompress(data, _MOST)
        except (zlib.error, lzma.LZMAError, OSError, ValueError) as error:
            raise _Damaged(str(error)) from error
        if out:
            yield out
        if decoder.eof or decoder.needs_input:
            return
        data = b""
