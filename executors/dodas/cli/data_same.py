"""Whether what is at a target already is what is to be brought there."""

from __future__ import annotations

import os
from collections.abc import Iterable
from stat import S_ISREG
from typing import TYPE_CHECKING

from dodas.cli.data_items import Moved
from dodas.errors import NotThere
from dodas.staging.values import Checksum, Entry, Verified

if TYPE_CHECKING:
    from dodas.staging.storage import Storage

_BLOCK = 1 << 20
_SECOND = 1_000_000_000  # nanoseconds
_USUAL = "adler32"  # what a storage most probably knows


def same_here(
    storage: Storage, path: str, entry: Entry, *, wanted: Iterable[Checksum] = (), size_only: bool = False
) -> Moved | None:
    """Return what the file ``path`` is if it is the same as ``entry``, as far as can be said; else ``None``.

    Args:
        storage: Asked for a checksum if ``entry`` has none.
        path: A file on this disk.
        entry: A file on the storage.
        wanted: Checksums that are known to be right.
        size_only: Take the same size for the same, where there is no checksum; else the time must be, too.
    """
    try:
        about = os.stat(path)
    except FileNotFoundError:  # a link that leads nowhere
        return None
    if entry.is_directory or not S_ISREG(about.st_mode) or entry.size not in (None, about.st_size):
        return None
    known = tuple(wanted) or _checksums(storage, entry)
    if known:
        here = digests(path, [one.algorithm for one in known])
        return _moved(about.st_size, here, Verified.CHECKSUM) if set(known) <= set(here) else None
    # `get` gives files the time that the storage says, to the second.  Hardly anything else makes a time
    # without fractions of a second, so this is such a file, and nobody has written to it since.
    same_time = entry.modified is not None and whole_seconds(entry.modified) * _SECOND == about.st_mtime_ns
    enough = entry.size is not None and (size_only or same_time)
    return _moved(about.st_size, (), Verified.SIZE) if enough else None


def same_there(storage: Storage, source: Entry | str, target: str, *, size_only: bool) -> Moved | None:
    """Return what is at the URL ``target`` if it is the same as ``source``, an entry or a file here."""
    try:
        there = storage.stat(target)
    except NotThere:
        return None
    size = os.stat(source).st_size if isinstance(source, str) else source.size
    if there.is_directory or there.size is None or there.size != size:
        return None
    known = _checksums(storage, there)
    here = digests(source, [one.algorithm for one in known]) if isinstance(source, str) else ()
    if isinstance(source, Entry) and known:
        told = storage.checksum(source.url, known[0].algorithm)
        here = (told,) if told and told.algorithm == known[0].algorithm else ()
        known = known[:1] if here else ()
    if known:
        return _moved(there.size, here, Verified.CHECKSUM) if set(known) <= set(here) else None
    return _moved(there.size, (), Verified.SIZE) if size_only else None


def whole_seconds(time: float) -> int:
    """Return a time without what is less than a second."""
    return int(time)


def digests(path: str, algorithms: Iterable[str]) -> tuple[Checksum, ...]:
    """Return checksums of a file on this disk."""
    from dodas.staging.checksums import Hasher

    hasher, buffer = Hasher(algorithms), memoryview(bytearray(_BLOCK))
    with open(path, "rb", buffering=0) as file:
        while count := file.readinto(buffer):
            hasher.update(buffer[:count])
    return hasher.digests()


def _checksums(storage: Storage, entry: Entry) -> tuple[Checksum, ...]:
    from dodas.staging.checksums import ALGORITHMS

    told = entry.checksums or filter(None, [storage.checksum(entry.url, _USUAL)])
    return tuple(one for one in told if one.algorithm in ALGORITHMS)


def _moved(size: int, checksums: tuple[Checksum, ...], verified: Verified) -> Moved:
    return Moved(size=size, checksums=checksums, verified=verified, same=True)
