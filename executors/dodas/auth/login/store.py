"""Logins on the disk: for their owner only, whole or not at all, changed by one process at a time."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

from dodas.auth import private
from dodas.auth.login import places
from dodas.auth.login.record import Record, from_json, to_json
from dodas.errors import DodasError, NotAllowed, TransferError

_RESERVED = 256 << 10  # bytes; more than any answer with tokens needs
_PATIENCE = 150.0  # seconds; whoever has the lock is done in less
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


class NotKept(TransferError):
    """The disk did not take a login."""


class Store:
    """The logins of one directory.

    Args:
        folder: The directory; made when it is needed.
    """

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def names(self) -> list[str]:
        """Return what the logins are called, in order."""
        with suppress(FileNotFoundError, NotADirectoryError):
            ends = [name for name in os.listdir(self.folder) if name.endswith(".json")]
            return sorted(name[:-5] for name in ends if not name.startswith("."))
        return []

    def read(self, name: str) -> Record | None:
        """Return a login, ``None`` if there is none of that name.

        Raises:
            NotAllowed: It cannot be read, or others can read it.
        """
        path = places.file(self.folder, name)
        return _load(path, name) if os.path.lexists(path) else None

    @contextmanager
    def locked(self, name: str) -> Iterator[Held]:
        """Be the only one who changes a login; others wait.

        Raises:
            NotKept: There can be no lock here, or whoever has it does not come to an end.
        """
        try:
            _make_private(self.folder)
            path = os.path.join(self.folder, f".{name}.lock")
            lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise _not_kept(self.folder, error) from None
        try:
            _take(lock, name, self.folder)
            held = Held(self.folder, name, lock)
            held.recover()
            yield held
        finally:
            os.close(lock)


class Held:
    """A login that nobody else changes; see :meth:`Store.locked`."""

    def __init__(self, folder: str, name: str, lock: int) -> None:
        self.folder = folder
        self.name = name
        self._lock = lock
        self._path = places.file(folder, name)
        self._next = os.path.join(folder, f".{name}.next")
        self._mark = os.path.join(folder, f".{name}.mark")

    def recover(self) -> None:
        """Bring to an end what somebody was killed at, after the new login was written down."""
        with suppress(OSError, DodasError):
            new = _load(self._next, self.name)
            old = _load(self._path, self.name) if os.path.exists(self._path) else None
            if old is None or new.serial > old.serial:
                os.replace(self._next, self._path)
                _sync_folder(self.folder)

    @contextmanager
    def room(self) -> Iterator[Callable[[Record], Record]]:
        """Have room on the disk for a login, before what it replaces is made worthless.

        Yields what keeps a login in place of what was there, and returns it as it is kept.

        Raises:
            NotKept: There is no room, or the disk does not take it; what was there is still there.
        """
        file = self._open(self._next)
        try:
            self._reserve(file)
            yield lambda record: self._keep(file, self._next, record)
        finally:
            os.close(file)
            with suppress(OSError):
                if self._is_blank():
                    os.unlink(self._next)

    def mark(self, record: Record) -> Record:
        """Keep a login, beside the room that there is for the next one.

        Raises:
            NotKept: The disk does not take it; what was there is still there.
        """
        file = self._open(self._mark)
        try:
            return self._keep(file, self._mark, record)
        finally:
            os.close(file)

    def remove(self) -> None:
        """Remove the login.

        Raises:
            NotKept: That cannot be done.
        """
        try:
            for path in (self._next, self._mark, self._path):
                with suppress(FileNotFoundError):
                    os.unlink(path)
            _sync_folder(self.folder)
        except OSError as error:
            raise NotKept(f"cannot remove {self._path}: {error.strerror}") from None

    def note_failure(self) -> None:
        """Tell those who wait for the lock that the provider does not answer now."""
        with suppress(OSError):
            os.ftruncate(self._lock, 0)
            os.pwrite(self._lock, json.dumps({"failed": time.time()}).encode(), 0)

    def failed_since(self, moment: float) -> bool:
        """Tell whether another process noted a failure after ``moment``, of ``time.time``."""
        with suppress(OSError, ValueError, TypeError, KeyError):
            failed: bool = json.loads(os.pread(self._lock, 100, 0))["failed"] > moment
            return failed
        return False

    def _open(self, path: str) -> int:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            return os.open(path, flags, 0o600)
        except OSError as error:
            raise _not_kept(self.folder, error) from None

    def _reserve(self, file: int) -> None:
        try:
            os.posix_fallocate(file, 0, _RESERVED)
            os.fsync(file)
        except OSError as error:
            if error.errno in (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS):
                return  # a file system that cannot promise it
            raise _not_kept(self.folder, error) from None

    def _keep(self, file: int, path: str, record: Record) -> Record:
        before = self._serial()
        kept = replace(record, name=self.name, serial=max(before, record.serial) + 1)
        content = to_json(kept).encode()
        try:
            # From here on a kill loses nothing: `recover` finds it.
            done = 0
            while done < len(content):
                done += os.pwrite(file, content[done:], done)
            os.ftruncate(file, len(content))
            os.fsync(file)
            os.replace(path, self._path)
            _sync_folder(self.folder)
        except OSError as error:
            raise _not_kept(self.folder, error) from None
        return kept

    def _serial(self) -> int:
        with suppress(OSError, DodasError):
            return _load(self._path, self.name).serial
        return 0

    def _is_blank(self) -> bool:
        with open(self._next, "rb") as file:
            return file.read(1) in (b"", b"\0")


def _load(path: str, name: str) -> Record:
    content, _ = private.read(path, "the login")
    try:
        # Behind what a kill left there may be the rest of the room that it was written into.
        return replace(from_json(content.rstrip(b"\0").decode()), name=name)
    except ValueError:
        raise NotAllowed(
            f"the login in {path} is damaged, or of another version of dodas",
            hint=f"remove that file, then log in again: dodas auth login --name {name} ISSUER",
        ) from None


def _make_private(folder: str) -> None:
    os.makedirs(folder, mode=0o700, exist_ok=True)
    if os.stat(folder).st_mode & 0o077:
        os.chmod(folder, 0o700)


def _take(lock: int, name: str, folder: str) -> None:
    deadline, pause = time.monotonic() + _PATIENCE, 0.01
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise NotKept(
                    f"another process has been renewing the login {name} for {_PATIENCE:.0f} s",
                    hint="end that process, then try again",
                ) from None
            time.sleep(pause)
            pause = min(0.1, pause * 1.5)
        except OSError as error:
            if error.errno in _NO_LOCKS:
                raise NotKept(
                    f"the file system of {folder} has no locks, so two processes could spoil the login",
                    hint="set DODAS_STATE to a directory on a local disk",
                ) from None
            raise _not_kept(folder, error) from None


def _sync_folder(folder: str) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _not_kept(folder: str, error: OSError) -> NotKept:
    return NotKept(
        f"cannot keep the login in {folder}: {error.strerror}",
        hint="make room there, or set DODAS_STATE to a directory of yours",
    )
