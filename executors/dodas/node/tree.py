"""Files and directories described as values, so that names and modes survive any way of transport.

The content of files travels apart, under names that are numbers; the entries of a tree say what the content
is to be called, and what else there was: modes, empty directories, symbolic links.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from dodas.errors import TransferError
from dodas.values import dataclass

FILE, DIRECTORY, LINK = "f", "d", "l"

Take = Callable[[str], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One thing in a tree.

    Attributes:
        path: Below the tree's root, with ``/``; empty for the root itself.
        kind: ``f``: a file, ``d``: a directory, ``l``: a symbolic link.
        mode: Permission bits.
        size: Bytes of a file.
        mtime: When a file was changed last, nanoseconds since 1970.
        blob: Name under which the content of a file travels.
        target: What a link says.
    """

    path: str
    kind: str
    mode: int = 0o755
    size: int = 0
    mtime: int = 0
    blob: str = ""
    target: str = ""

    def plain(self) -> list[Any]:
        """Return it as JSON values."""
        if self.kind == FILE:
            return [FILE, self.path, self.mode, self.size, self.mtime, self.blob]
        return [LINK, self.path, self.target] if self.kind == LINK else [DIRECTORY, self.path, self.mode]

    @classmethod
    def from_plain(cls, plain: list[Any]) -> Entry:
        """Return what :meth:`plain` gave.

        Raises:
            ValueError: It is none, or its path leaves the tree.
        """
        kind, path, *rest = plain
        if kind == FILE:
            mode, size, mtime, blob = rest
            entry = cls(kind=kind, path=path, mode=mode, size=size, mtime=mtime, blob=blob)
        elif kind == LINK:
            entry = cls(kind=kind, path=path, target=rest[0], mode=0o777)
        elif kind == DIRECTORY:
            entry = cls(kind=kind, path=path, mode=rest[0])
        else:
            raise ValueError(f"no entry: {plain!r}")
        _check(entry)
        return entry


def _check(entry: Entry) -> None:
    """See that an entry that came from elsewhere cannot lead out of its tree."""
    parts = entry.path.split("/") if entry.path else []
    if {"", ".", ".."} & set(parts) or "\0" in entry.path + entry.target:
        raise ValueError(f"the path {entry.path!r} is none below a tree")
    if "/" in entry.blob or entry.blob in (".", ".."):
        raise ValueError(f"{entry.blob!r} is no name for content")


def gather(path: str, take: Take, *, contained: bool = True) -> tuple[Entry, ...]:
    """Describe a file, or a directory with all below it; sockets, pipes and devices are left out.

    Args:
        path: Where it is; a link is followed.
        take: Is given the path of each file whose content must travel, and names it.
        contained: Whether the tree will be seen in a container, where a link that leads out of it leads to
            another place, here as there: it is kept as it is.  Otherwise the link becomes what it leads to.

    Raises:
        TransferError: Something cannot be read.
    """
    try:
        return tuple(_Walk(path, take, contained).entries())
    except OSError as error:
        raise TransferError(f"cannot read {error.filename or path}: {error.strerror}") from error


class _Walk:
    def __init__(self, path: str, take: Take, contained: bool) -> None:
        self.top = path
        self.real = os.path.realpath(path)
        self.take = take
        self.contained = contained

    def entries(self) -> Iterator[Entry]:
        status = os.stat(self.top)
        if not stat.S_ISDIR(status.st_mode):
            yield from self._file("", self.top, status)
            return
        pending: list[tuple[str, str, os.stat_result, tuple[str, ...]]] = [
            ("", self.top, status, (self.real,))
        ]
        while pending:
            below, place, status, inside = pending.pop()
            yield Entry(kind=DIRECTORY, path=below, mode=stat.S_IMODE(status.st_mode))
            for name in sorted(os.listdir(place)):
                path, child = f"{below}/{name}" if below else name, os.path.join(place, name)
                status, around = os.lstat(child), inside
                if stat.S_ISLNK(status.st_mode):
                    target = self._kept(child)
                    if target:
                        yield Entry(kind=LINK, path=path, target=target, mode=0o777)
                        continue
                    status = os.stat(child)
                    around = (*inside, os.path.realpath(child))
                if not stat.S_ISDIR(status.st_mode):
                    yield from self._file(path, child, status)
                elif around is inside or around[-1] not in inside:
                    pending.append((path, child, status, around))

    def _file(self, path: str, place: str, status: os.stat_result) -> Iterator[Entry]:
        if stat.S_ISREG(status.st_mode):
            yield Entry(
                kind=FILE,
                path=path,
                mode=stat.S_IMODE(status.st_mode),
                size=status.st_size,
                mtime=status.st_mtime_ns,
                blob=self.take(place),
            )

    def _kept(self, link: str) -> str:
        """Return what a link is to say in the copy; empty if its content is to be there instead."""
        text = os.readlink(link)
        if self.contained or not os.path.exists(link):
            return text
        real = os.path.realpath(link)
        if real != self.real and not real.startswith(self.real + "/"):
            return ""
        if os.path.isabs(text):
            return os.path.relpath(real, os.path.realpath(os.path.dirname(link)))
        return text


def count(entries: Iterable[Entry]) -> int:
    """Return the bytes of all files of a tree."""
    return sum(entry.size for entry in entries)
