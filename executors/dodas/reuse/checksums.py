"""Checksums of files, each made once as long as the file stays as it is."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import time
from contextlib import suppress
from pathlib import Path

_CHUNK = 1 << 20
# A file that was written a moment ago may be written again without its times telling.
_SETTLED = 2_000_000_000  # nanoseconds
_OLDEST = 90 * 86400  # seconds after which what nobody asked for is forgotten

_TABLE = """\
CREATE TABLE IF NOT EXISTS checksums (
    device INTEGER, inode INTEGER, size INTEGER, mtime INTEGER, ctime INTEGER, checksum TEXT, made INTEGER,
    PRIMARY KEY (device, inode)
) WITHOUT ROWID
"""
_FIND = "SELECT checksum FROM checksums WHERE device=? AND inode=? AND size=? AND mtime=? AND ctime=?"
_NOTE = "INSERT OR REPLACE INTO checksums VALUES (?, ?, ?, ?, ?, ?, ?)"
_FORGET = "DELETE FROM checksums WHERE made < ?"


class Checksums:
    """Remembers the checksum of a file by its device, inode, size and times.

    What is remembered is true on one machine only, so ``path`` belongs on its own disk.  Without it, or when
    it cannot be used, checksums are made each time.

    Args:
        path: The file that remembers.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._database: sqlite3.Connection | None = None
        try:
            self._database = _opened(path)
        except sqlite3.DatabaseError:
            with suppress(OSError, sqlite3.Error):  # nothing is lost that cannot be made again
                os.unlink(path)
                self._database = _opened(path)
        except OSError:
            pass

    def of(self, path: str) -> str:
        """Return ``sha256:…`` of what is in a file.

        Raises:
            OSError: It cannot be read.
        """
        with open(path, "rb") as file:
            before = os.fstat(file.fileno())
            known = self._recall(before)
            if known:
                return known
            made = hashlib.sha256()
            while chunk := file.read(_CHUNK):
                made.update(chunk)
            after = os.fstat(file.fileno())
        checksum = f"sha256:{made.hexdigest()}"
        if _state(before) == _state(after) and time.time_ns() - _youngest(after) > _SETTLED:
            self._note(after, checksum)
        return checksum

    def learn(self, path: str, checksum: str) -> None:
        """Take the checksum of a file that nobody writes any more."""
        with suppress(OSError):
            self._note(os.stat(path), checksum)

    def close(self) -> None:
        """Forget what is old, and end."""
        if self._database is not None:
            with suppress(sqlite3.Error):
                self._database.execute(_FORGET, (int(time.time()) - _OLDEST,))
            self._database.close()
            self._database = None

    def _recall(self, found: os.stat_result) -> str:
        if self._database is None:
            return ""
        try:
            row = self._database.execute(_FIND, _state(found)).fetchone()
        except sqlite3.Error:
            return ""
        return str(row[0]) if row else ""

    def _note(self, found: os.stat_result, checksum: str) -> None:
        if self._database is not None:
            with suppress(sqlite3.Error, OverflowError):
                self._database.execute(_NOTE, (*_state(found), checksum, int(time.time())))


def _opened(path: str) -> sqlite3.Connection:
    Path(path).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    database = sqlite3.connect(path, timeout=5, isolation_level=None)
    try:
        # A loss costs time only.
        database.execute("PRAGMA synchronous=OFF")
        database.execute(_TABLE)
    except sqlite3.Error:
        database.close()
        raise
    return database


def _state(found: os.stat_result) -> tuple[int, ...]:
    # SQLite's integers are signed.
    device, inode = (
        number - (1 << 64) if number >> 63 else number for number in (found.st_dev, found.st_ino)
    )
    return device, inode, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _youngest(found: os.stat_result) -> int:
    return max(found.st_mtime_ns, found.st_ctime_ns)
