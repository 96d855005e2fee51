"""Metalinks, versions 3 and 4: where the replicas of a file are, and what the file must be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from dodas.errors import SpecError
from dodas.staging import urls
from dodas.staging.digests import checksum_of
from dodas.staging.urls import Url
from dodas.staging.values import Checksum, Replica
from dodas.staging.xmlreader import Reader
from dodas.values import dataclass

_MOST_BYTES = 4 << 20
_MOST_REPLICAS = 1000
_BLOCK = 64 * 1024
_UNKNOWN = 999_999


class _Answer(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Metalink:
    """What a federation tells of one file.

    Attributes:
        size: Bytes; ``None`` if it does not say.
        checksums: Of the whole file, those that are understood.
        replicas: The best first, each once; only what this client can fetch.
    """

    size: int | None = None
    checksums: tuple[Checksum, ...] = ()
    replicas: tuple[Replica, ...] = ()


def read(answer: _Answer, where: Url) -> Metalink:
    """Read a metalink from the body of an answer.

    Args:
        answer: Read to its end, unless there is something wrong with it.
        where: The URL that it came from, which relative ones start from.

    Raises:
        Corrupt: It is no metalink.
        StorageUnreachable: The answer ends too early.
    """
    document = _Document(where)
    while data := answer.read(_BLOCK):
        document.reader.feed(data)
    document.reader.feed(b"", last=True)
    return document.result()


class _Document:
    """Reads one document; of several files in it the first counts."""

    def __init__(self, where: Url) -> None:
        self._where = where
        what = f"the metalink at {where.redacted}"
        self.reader = Reader(what, start=self._start, end=self._end, most=_MOST_BYTES)
        self._files = 0
        self._root = ""
        self._inside_pieces = False
        self._attributes: dict[str, str] = {}
        self._size: int | None = None
        self._checksums: list[Checksum] = []
        self._replicas: dict[str, Replica] = {}
        self._takes: dict[str, Callable[[str], None]] = {
            "url": self._take_url,
            "size": self._take_size,
            "hash": self._take_hash,
        }

    def result(self) -> Metalink:
        """Return what was read."""
        if self._root != "metalink":
            self.reader.refuse("is XML, but no metalink")
        replicas = sorted(self._replicas.values(), key=lambda replica: replica.priority)
        return Metalink(size=self._size, checksums=tuple(self._checksums), replicas=tuple(replicas))

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        local = name.rpartition("|")[2]
        self._root = self._root or local
        if local == "file":
            self._files += 1
        elif local == "pieces":
            self._inside_pieces = True
        elif local in self._takes:
            self._attributes = attributes
            self.reader.collect()

    def _end(self, name: str) -> None:
        local = name.rpartition("|")[2]
        if local == "pieces":
            self._inside_pieces = False
        elif local in self._takes:
            text = self.reader.text().strip()
            if self._files == 1 and not self._inside_pieces:
                self._takes[local](text)

    def _take_size(self, text: str) -> None:
        if text.isascii() and text.isdigit() and len(text) < 20:
            self._size = int(text)

    def _take_hash(self, text: str) -> None:
        checksum = checksum_of(self._attributes.get("type", ""), text)
        if checksum and checksum not in self._checksums and len(self._checksums) < 32:
            self._checksums.append(checksum)

    def _take_url(self, text: str) -> None:
        if not text or len(self._replicas) >= _MOST_REPLICAS:
            return
        try:
            url = urls.redirected(self._where, text).wire
        except SpecError:
            return  # ftp, a torrent, or nothing at all
        location = self._attributes.get("location", "").strip().lower()[:64]
        replica = Replica(url=url, priority=self._priority(), location=location)
        self._replicas.setdefault(url, replica)

    def _priority(self) -> int:
        """Return the priority of version 4, or that of the preference of version 3, of which 100 is best."""
        priority, preference = self._attributes.get("priority", ""), self._attributes.get("preference", "")
        if priority.isascii() and priority.isdigit() and len(priority) < 7:
            return int(priority)
        if preference.isascii() and preference.isdigit() and int(preference[:4]) <= 100:
            return 101 - int(preference)
        return _UNKNOWN
