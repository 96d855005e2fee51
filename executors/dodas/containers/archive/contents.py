"""The files in an archive or directory, by name.  A link in it leads to another member or nowhere."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator
from typing import Protocol

from dodas.containers.tar.faults import TarFault
from dodas.containers.tar.members import Kind, members
from dodas.containers.tar.sources import Seekable
from dodas.errors import ImageCorrupt
from dodas.values import dataclass

_CHUNK = 1 << 20
_LARGEST_TEXT = 64 << 20
_MOST_LINKS = 8
_MOST_MEMBERS = 1 << 20


class Contents(Protocol):
    """Named files."""

    def size(self, name: str) -> int:
        """Return the bytes of a file; raise `ImageCorrupt` when it is not there."""

    def pieces(self, name: str) -> Iterator[bytes]:
        """Yield the bytes of a file; raise `ImageCorrupt` when it is not there."""

    def has(self, name: str) -> bool:
        """Return whether there is a file of that name."""


def text(contents: Contents, name: str) -> bytes:
    """Return the bytes of a small file.

    Raises:
        ImageCorrupt: It is not there, or not small.
    """
    if contents.size(name) > _LARGEST_TEXT:
        raise ImageCorrupt(f"{name} in the archive is absurdly large", hint="make the archive again")
    return b"".join(contents.pieces(name))


@dataclass(frozen=True, slots=True)
class _Place:
    offset: int
    size: int


class TarContents:
    """The members of an uncompressed tar file.

    Raises:
        TarFault: It is none.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._files: dict[str, _Place] = {}
        self._links: dict[str, str] = {}
        source = Seekable(fd)
        for count, member in enumerate(members(source)):
            if count > _MOST_MEMBERS:
                raise TarFault("the archive has more members than any archive of images")
            name = _clean(os.fsdecode(member.path))
            target = os.fsdecode(member.target)
            if member.kind is Kind.FILE and member.extents is None:
                self._files[name] = _Place(source.position, member.size)
                self._links.pop(name, None)
            elif member.kind is Kind.SYMLINK:
                self._links[name] = _clean(posixpath.join(posixpath.dirname(name), target))
            elif member.kind is Kind.HARD_LINK:
                self._links[name] = _clean(target)

    def has(self, name: str) -> bool:
        """See `Contents`."""
        return self._find(name) is not None

    def size(self, name: str) -> int:
        """See `Contents`."""
        return self._place(name).size

    def pieces(self, name: str) -> Iterator[bytes]:
        """See `Contents`."""
        place = self._place(name)
        offset, end = place.offset, place.offset + place.size
        while offset < end:
            piece = os.pread(self._fd, min(_CHUNK, end - offset), offset)
            if not piece:
                raise ImageCorrupt(f"the archive ends in the middle of {name}", hint="copy the archive again")
            offset += len(piece)
            yield piece

    def _find(self, name: str) -> _Place | None:
        here = _clean(name)
        for _ in range(_MOST_LINKS):
            if here not in self._links:
                return self._files.get(here)
            here = self._links[here]
        return None

    def _place(self, name: str) -> _Place:
        place = self._find(name)
        if place is None:
            raise absent(name)
        return place


class DirectoryContents:
    """The files below a directory; nothing outside is found, whatever links say."""

    def __init__(self, directory: str) -> None:
        self._directory = os.path.realpath(directory)

    def has(self, name: str) -> bool:
        """See `Contents`."""
        return self._find(name) is not None

    def size(self, name: str) -> int:
        """See `Contents`."""
        return os.path.getsize(self._path(name))

    def pieces(self, name: str) -> Iterator[bytes]:
        """See `Contents`."""
        with open(self._path(name), "rb", buffering=0) as file:
            while piece := file.read(_CHUNK):
                yield piece

    def _find(self, name: str) -> str | None:
        path = os.path.realpath(os.path.join(self._directory, name))
        inside = path.startswith(self._directory.rstrip("/") + "/")
        return path if inside and os.path.isfile(path) else None

    def _path(self, name: str) -> str:
        path = self._find(name)
        if path is None:
            raise absent(name)
        return path


def absent(name: str) -> ImageCorrupt:
    """Return the error for a file that should be in an archive."""
    hint = "make the archive again, or copy it again if it was copied"
    return ImageCorrupt(f"{name[:200]!r} is missing in the archive", hint=hint)


def _clean(name: str) -> str:
    # A path that leads outside names nothing: no member is called ``../x``.
    return posixpath.normpath(name).lstrip("/")
