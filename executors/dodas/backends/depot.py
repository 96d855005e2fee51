"""Files at URLs brought to this machine, each once, and files of this machine brought to URLs."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, NoReturn

from dodas import paths
from dodas.backends.holds import Holds
from dodas.errors import AlreadyThere, Corrupt, DodasError, NotAllowed, NotThere, SpecError
from dodas.step import OutputFile

if TYPE_CHECKING:
    from concurrent import futures

    from dodas.staging.once import Cache
    from dodas.staging.storage import Storage
    from dodas.staging.values import OnProgress

_AT_ONCE = 4  # files of one directory
_OF_THE_STEP = (NotThere, NotAllowed, AlreadyThere, Corrupt, SpecError)


class Depot:
    """The storage that steps have to do with.

    Attributes:
        trouble: Why something failed that may succeed on another machine, or later; empty if nothing did.

    Args:
        storage: Makes the client; default: what the environment says.
        cache: Directory for what was fetched; default: one in :func:`dodas.paths.cache_dir`.
        ready: Called before each transfer, from any thread: the last moment to renew what expires.
    """

    def __init__(
        self,
        *,
        storage: Callable[[], Storage] | None = None,
        cache: str = "",
        ready: Callable[[], None] | None = None,
    ) -> None:
        self.trouble = ""
        self._make = storage or _storage
        self._folder = cache or os.path.join(paths.cache_dir(), "staging")
        self._ready = ready
        self._holds = Holds(self._folder + "-held")
        self._opening = threading.Lock()
        self._opened: tuple[Storage, Cache] | None = None

    def folder(self) -> str:
        """Return a new directory for :meth:`bring`, on the disk of the cache.

        Raises:
            OSError: The disk does not take it.
        """
        with self._opening:
            return self._holds.folder()

    def bring(self, url: str, at: str, *, own: bool = False, progress: OnProgress) -> None:
        """Have what is at a URL as ``at``: a directory if the URL ends with a slash, else a file.

        Args:
            url: Where it is.
            at: Path for it, in a :meth:`folder`; there must be nothing.
            own: Whether it must be a copy, which nobody else has.
            progress: Told of each file; may raise.

        Raises:
            DodasError: It cannot be had.
            OSError: The disk does not take it.
        """
        try:
            storage, cache = self._open()

            def place(found: tuple[str, str]) -> None:
                cache.place(storage, found[0], found[1], private=own, progress=progress)

            if url.endswith("/"):
                _some_at_once(place, _files(storage, url, at))
            else:
                place((url, at))
        except (DodasError, OSError) as error:
            self._note(error)

    def publish(self, path: str, url: str, progress: OnProgress, *, checksum: str) -> OutputFile:
        """Bring a file to a URL; what is there is replaced.

        Args:
            path: The file.
            url: Where it belongs.
            progress: Told of the bytes; may raise.
            checksum: Algorithm of the checksum to tell.

        Raises:
            DodasError: It cannot be done.
        """
        try:
            storage, _ = self._open()
            stored = storage.upload(path, url, overwrite=True, checksums=(checksum,), progress=progress)
        except (DodasError, OSError) as error:
            self._note(error)
        known = {one.algorithm: one.value for one in stored.checksums}
        told = f"{checksum}${known[checksum]}" if checksum in known else ""
        return OutputFile(path=url, size=stored.size, checksum=told)

    def make_directory(self, url: str) -> None:
        """See that there is a directory.

        Raises:
            DodasError: There cannot be.
        """
        try:
            self._open()[0].make_directory(url)
        except (DodasError, OSError) as error:
            self._note(error)

    def close(self) -> None:
        """End what is under way, and let go of all that was brought.  May be repeated."""
        with self._opening:
            if self._opened is not None:
                for opened in self._opened:
                    opened.close()
                self._opened = None
            self._holds.close()

    def _open(self) -> tuple[Storage, Cache]:
        with self._opening:
            if self._opened is None:
                from dodas.staging.once import Cache  # noqa: PLC0415 - not needed without URLs

                os.makedirs(self._folder, mode=0o700, exist_ok=True)
                self._opened = self._make(), Cache(self._folder, _half_of_the_disk(self._folder))
        if self._ready is not None:
            self._ready()
        return self._opened

    def _note(self, error: DodasError | OSError) -> NoReturn:
        if not isinstance(error, _OF_THE_STEP):
            self.trouble = explained(error)
        raise error


def _files(storage: Storage, url: str, at: str) -> Iterator[tuple[str, str]]:
    """Yield what is in a directory and where it belongs; directories are made on the way."""
    pending = [(url, at)]
    while pending:
        directory, place = pending.pop()
        os.mkdir(place, 0o755)
        for entry in storage.entries(directory):
            inside = os.path.join(place, entry.name)  # entries have names without slashes, dots or zero bytes
            if entry.is_directory:
                pending.append((entry.url, inside))
            else:
                yield entry.url, inside


def _some_at_once(call: Callable[[tuple[str, str]], None], items: Iterable[tuple[str, str]]) -> None:
    """Make calls, a bounded number at a time; none begins after one has failed."""
    from concurrent import futures  # noqa: PLC0415 - not needed without directories at URLs

    pending: set[futures.Future[None]] = set()
    pool = futures.ThreadPoolExecutor(_AT_ONCE, "dodas-directory")
    try:
        for item in items:
            if len(pending) == 2 * _AT_ONCE:
                done, pending = futures.wait(pending, return_when=futures.FIRST_COMPLETED)
                _raise(done)
            pending.add(pool.submit(call, item))
        _raise(futures.as_completed(pending))
    finally:
        pool.shutdown(cancel_futures=True)


def _raise(done: Iterable[futures.Future[None]]) -> None:
    for one in done:
        one.result()


def _half_of_the_disk(folder: str) -> int:
    """Return half of the bytes that the cache takes and could still take."""
    from dodas.containers.garbage import disk_usage  # noqa: PLC0415 - not needed without URLs

    status = os.statvfs(folder)
    return max((disk_usage(folder) + status.f_bavail * status.f_frsize) // 2, 1)


def _storage() -> Storage:
    from dodas.staging.storage import Storage  # noqa: PLC0415 - not needed without URLs

    return Storage()


def explained(error: Exception) -> str:
    """Return one sentence for people."""
    if isinstance(error, DodasError):
        return f"{error}; {error.hint}" if error.hint else str(error)
    if isinstance(error, OSError):
        where = f" {error.filename}" if error.filename else ""
        return f"cannot make{where}: {error.strerror or error}"
    return f"{type(error).__name__}: {error}"
