"""One fetch of a file for all that want it on a machine, whichever process they are in."""

from __future__ import annotations

import fcntl
import hashlib
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from dodas.staging import urls
from dodas.staging.disk import disk_faults
from dodas.staging.linking import place
from dodas.staging.locks import locked
from dodas.staging.once_entry import Kept, Slot, strong
from dodas.staging.values import Expected, OnProgress, ignore

if TYPE_CHECKING:
    from dodas.staging.storage import Storage


_PART = 32  # of what is free


class Cache:
    """A directory of verified files, shared by the processes of one user on one machine.

    What :meth:`fetch` gives stays until it is released, or this process ends however it may; all else goes,
    the longest unused first, when there is more than ``limit``.
    """

    def __init__(self, path: str, limit: int) -> None:
        """Open it, and make it if it is not there.

        Args:
            path: Its directory, on a local disk.
            limit: Bytes that it may hold.
        """
        self.path, self.limit = os.path.abspath(path), limit
        self._files, self._locks = os.path.join(self.path, "files"), os.path.join(self.path, "locks")
        self._held: dict[str, int] = {}
        self._slack = -1
        self._guard = threading.Lock()
        with disk_faults(self.path):
            for directory in (self.path, self._files, self._locks):
                os.makedirs(directory, mode=0o700, exist_ok=True)

    def __enter__(self) -> Cache:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def fetch(
        self, storage: Storage, url: str, expected: Expected | None = None, *, progress: OnProgress = ignore
    ) -> str:
        """Return a file with the content of ``url``, to be read and not to be written.

        Of many that ask at a time, in any process, one fetches it; if that one dies, the next goes on with
        what it has left.  A file that has changed at the storage is fetched again.

        Raises:
            TransferError: As `Storage.download`.
        """
        with self._present(storage, url, expected or Expected(), progress) as slot:
            self._hold(slot.path)
        self._shrink(0)
        return slot.path

    def place(
        self,
        storage: Storage,
        url: str,
        target: str,
        expected: Expected | None = None,
        *,
        private: bool = False,
        progress: OnProgress = ignore,
    ) -> None:
        """Make ``target`` a file with the content of ``url``, at no cost of disk where that can be.

        Args:
            storage: What fetches it.
            url: What to fetch.
            target: Where; nothing is there yet.
            expected: What it must be.
            private: Whether ``target`` may be written afterwards.
            progress: Told while it is fetched.

        Raises:
            TransferError: As `Storage.download`.
        """
        with self._present(storage, url, expected or Expected(), progress) as slot:
            place(slot.path, target, private=private)
        self._shrink(0)

    def release(self, path: str) -> None:
        """Let a file go that `fetch` gave: it may be removed from now on."""
        with self._guard:
            fd = self._held.pop(path, None)
        if fd is not None:
            os.close(fd)

    def close(self) -> None:
        """Let all files go."""
        for path in list(self._held):
            self.release(path)

    @contextmanager
    def _present(
        self, storage: Storage, url: str, expected: Expected, progress: OnProgress
    ) -> Iterator[Slot]:
        key, size = _identity(storage, url, expected)
        with self._locked(key):
            slot = Slot(os.path.join(self._files, key))
            if not slot.has_it():
                self._shrink(size or 0)
                with disk_faults(slot.path):
                    os.makedirs(slot.directory, mode=0o700, exist_ok=True)
                received = storage.download(
                    url, slot.path, expected=expected, overwrite=True, progress=progress
                )
                with disk_faults(slot.path):
                    slot.admit(received)
            yield slot

    @contextmanager
    def _locked(self, key: str) -> Iterator[None]:
        path = os.path.join(self._locks, key)
        with disk_faults(path):
            fd = locked(path, lambda name: os.open(name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        try:
            yield
        finally:
            if fd is not None:
                os.close(fd)

    def _hold(self, path: str) -> None:
        with disk_faults(path), self._guard:
            if path not in self._held:
                fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
                with suppress(OSError):
                    fcntl.flock(fd, fcntl.LOCK_SH)
                self._held[path] = fd

    def _shrink(self, room: int) -> None:
        """Remove the longest unused until ``room`` bytes more are within the limit.

        To look at all that there is takes a while, so it is not done for each of many small files: only
        when a small part of what was free at the last look has been used.  Others use theirs meanwhile.
        """
        with self._guard:
            self._slack -= room
            if self._slack >= 0:
                return
        with disk_faults(self.path):
            kept = sorted(self._kept(), key=lambda one: one.used)
            total = sum(one.size for one in kept) + room
            for one in kept:
                if total <= self.limit:
                    break
                if self._remove(one):
                    total -= one.size
        with self._guard:
            self._slack = (self.limit - total) // _PART

    def _kept(self) -> Iterator[Kept]:
        for key in os.listdir(self._files):
            found = Slot(os.path.join(self._files, key)).look()
            if found is not None:
                yield found

    def _remove(self, kept: Kept) -> bool:
        """Remove a file unless somebody uses it or is about to."""
        lock = os.path.join(self._locks, kept.key)
        fd = locked(
            lock, lambda name: os.open(name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), wait=False
        )
        if fd is None:
            return False
        try:
            if _is_used(kept.path):
                return False
            Slot(os.path.join(self._files, kept.key)).empty()
            os.unlink(lock)
            return True
        finally:
            os.close(fd)


def _identity(storage: Storage, url: str, expected: Expected) -> tuple[str, int | None]:
    """Return the name in the cache of what ``url`` is now, and its size if that is known."""
    content = strong(expected.checksums)
    if content is not None:
        return _key(str(content)), expected.size
    name = urls.parse(url).wire
    if expected.checksums:
        return _key(name, *sorted(map(str, expected.checksums))), expected.size
    entry = storage.stat(url)
    # Apache calls the validator of a young file a weak one, and the same a strong one later.
    etag = entry.etag[2:] if entry.etag.startswith("W/") else entry.etag
    return _key(name, etag, str(entry.size), str(entry.modified)), entry.size


def _key(*words: str) -> str:
    return hashlib.sha256("\n".join(words).encode("utf-8", "surrogateescape")).hexdigest()[:40]


def _is_used(path: str) -> bool:
    """Tell whether somebody has the file, as `fetch` gives it, or a link to it, which would free nothing."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        if os.fstat(fd).st_nlink > 1:
            return True
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(fd)
    return False
