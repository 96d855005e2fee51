"""Where results are, and what is noted of each."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from dodas import paths
from dodas.reuse.trees import Listing

FORMAT = 1
OUT, ENTRY, LOCK = "out", "entry.json", "lock"
DEFAULT = "default"


def place(directory: str) -> str:
    """Return the directory that a user means: a path, or ``default`` or nothing for the user's own."""
    return directory if directory not in ("", DEFAULT) else os.path.join(paths.cache_dir(), "steps")


def memory() -> str:
    """Return the file that remembers checksums on this machine."""
    return os.path.join(paths.cache_dir(), "checksums.db")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One result that is kept.

    Attributes:
        key: Of its document.
        path: Its directory.
        step: What people call the step.
        document: What it is made of.
        outputs: What the front end wants to have back.
        files: Size and checksum of each file below ``out``, and what else is there.
        made: When, in Unix seconds.
        about: What else was noted, for people: what the step took, and where it ran.
    """

    key: str
    path: str
    step: str
    document: Any
    outputs: Any
    files: Listing
    made: float
    about: dict[str, Any]

    @property
    def top(self) -> str:
        """Directory of its files."""
        return os.path.join(self.path, OUT)

    @property
    def size(self) -> int:
        """Bytes of its files."""
        return sum(known.get("size", 0) for known in self.files.values())

    def used(self) -> float:
        """Return when it was last asked for, in Unix seconds."""
        try:
            return os.stat(self.path).st_mtime
        except OSError:
            return 0.0


class Layout:
    """Where things are in a directory of results; nothing is made."""

    def __init__(self, path: str) -> None:
        self.path = os.path.realpath(os.path.expanduser(path))
        self.entries = os.path.join(self.path, "entries")
        self.live = os.path.join(self.path, "live")
        self.asked = os.path.join(self.path, "asked")
        self.lock = os.path.join(self.path, LOCK)

    def place(self, key: str) -> str:
        """Return the directory of the entry of a key, which may not be there."""
        return os.path.join(self.entries, key[:2], key)

    def known(self) -> Iterator[tuple[str, Entry | None]]:
        """Yield all entries with their keys; ``None`` for one that cannot be read."""
        for start in _names(self.entries):
            for key in _names(os.path.join(self.entries, start)):
                yield key, read(self.place(key), key)

    @contextmanager
    def locked(self, how: int) -> Iterator[None]:
        """Hold the lock: ``LOCK_SH`` to take an entry out, ``LOCK_EX`` to remove one."""
        try:
            lock = os.open(self.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:
            yield  # a directory that cannot be written: nobody removes anything there
            return
        try:
            with suppress(OSError):  # not every file system has locks
                fcntl.flock(lock, how)
            yield
        finally:
            os.close(lock)


def read(place: str, key: str) -> Entry | None:
    """Return the entry in a directory; ``None`` if it cannot be read."""
    try:
        with open(os.path.join(place, ENTRY), encoding="utf-8") as file:
            noted = json.load(file)
        if noted["format"] != FORMAT:
            return None
        return Entry(
            key=key,
            path=place,
            step=str(noted["step"]),
            document=noted["document"],
            outputs=noted["outputs"],
            files=dict(noted["files"]),
            made=float(noted["made"]),
            about=dict(noted["about"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _names(path: str) -> list[str]:
    try:
        return sorted(os.listdir(path))
    except OSError:
        return []
