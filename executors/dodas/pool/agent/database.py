"""Opening the agent's database: private, of a known layout, and begun anew where it is damaged."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from dodas.errors import StoreError

VERSION = 1
_BUSY = 10.0  # seconds that a reader's lock is waited for
_TABLES = """
CREATE TABLE workers (
    name TEXT PRIMARY KEY, flavour TEXT NOT NULL, provider TEXT NOT NULL, phase TEXT NOT NULL,
    asked REAL NOT NULL, since REAL NOT NULL, handle TEXT NOT NULL DEFAULT '', node TEXT NOT NULL DEFAULT '',
    reason TEXT NOT NULL DEFAULT '', heard REAL, worked INTEGER NOT NULL DEFAULT 0, ended REAL,
    fault INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE INDEX workers_ended ON workers (ended);
CREATE TABLE decisions (
    id INTEGER PRIMARY KEY AUTOINCREMENT, first REAL NOT NULL, last REAL NOT NULL, times INTEGER NOT NULL,
    act TEXT NOT NULL, flavour TEXT NOT NULL, worker TEXT NOT NULL, count INTEGER NOT NULL,
    reason TEXT NOT NULL, jobs TEXT NOT NULL
);
CREATE INDEX decisions_same ON decisions (act, worker, flavour, reason);
CREATE INDEX decisions_worker ON decisions (worker);
CREATE TABLE troubles (
    provider TEXT PRIMARY KEY, failures INTEGER NOT NULL, until REAL NOT NULL, reason TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE numbers (name TEXT PRIMARY KEY, value REAL NOT NULL) WITHOUT ROWID;
"""


def connect(path: str, *, readonly: bool = False) -> tuple[sqlite3.Connection, str]:
    """Open the database, made if need be.

    Args:
        path: The file.
        readonly: For looking only; then the file must be there and sound.

    Returns:
        The connection, and where a damaged file was put; empty if it was sound.

    Raises:
        StoreError: It cannot be used.
    """
    with naming(path):
        if readonly:
            return _open(path, "ro"), ""
        _create(path)
        try:
            return _open(path, "rw"), ""
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise
            aside = _set_aside(path)
            _create(path)
            return _open(path, "rw"), aside


@contextmanager
def naming(path: str) -> Iterator[None]:
    """Turn what SQLite and the file system complain of into one sentence.

    Raises:
        StoreError: See above.
    """
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        damaged = isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError)
        hint = (
            "stop the agent and remove the file: it begins anew and takes its workers in again"
            if damaged
            else "see that the directory is there, writable, on a local disk and not full"
        )
        raise StoreError(f"the agent's memory {path} cannot be used: {error}", hint=hint) from error


def _open(path: str, mode: str) -> sqlite3.Connection:
    uri = f"{Path(path).absolute().as_uri()}?mode={mode}"
    connection = sqlite3.connect(uri, uri=True, timeout=_BUSY, isolation_level=None)
    try:
        _prepare(connection, path, fresh=mode == "rw")
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection, path: str, *, fresh: bool) -> None:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > VERSION:
        raise StoreError(
            f"{path} was written by a newer dodas", hint="use that version of dodas, or remove the file"
        )
    if fresh:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        if version < VERSION:
            _lay_out(connection)
        found = connection.execute("PRAGMA quick_check").fetchone()[0]
        if found != "ok":
            raise sqlite3.DatabaseError(found)


def _create(path: str) -> None:
    """Make the file, with its tables from the first moment for those who look, and private."""
    if not os.path.exists(path):
        fresh = f"{path}.new"
        # Not by SQLite, which would let others read it.
        os.close(os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600))
        connection = sqlite3.connect(fresh, isolation_level=None)
        try:
            _lay_out(connection)
        finally:
            connection.close()
        os.replace(fresh, path)
    os.chmod(path, 0o600)


def _lay_out(connection: sqlite3.Connection) -> None:
    connection.executescript(f"BEGIN IMMEDIATE;{_TABLES}PRAGMA user_version={VERSION};COMMIT;")


def _set_aside(path: str) -> str:
    aside = next(name for number in range(1, 1000) if not os.path.lexists(name := f"{path}.damaged-{number}"))
    os.replace(path, aside)
    for end in ("-wal", "-shm"):
        with suppress(FileNotFoundError):
            os.replace(path + end, aside + end)
    return aside
