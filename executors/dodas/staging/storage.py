"""The way in: everything that can be done with files on storage."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator

from dodas.auth.credentials import Credentials
from dodas.errors import DodasError, SpecError
from dodas.staging import listing, making, queue, removal, replicas, servers, trees, urls
from dodas.staging.asking import ask_with_digest
from dodas.staging.checksums import canonical
from dodas.staging.digests import told_by
from dodas.staging.download import download
from dodas.staging.exchange import Exchange
from dodas.staging.manners import Manners
from dodas.staging.session import Session
from dodas.staging.settings import Settings
from dodas.staging.upload import upload
from dodas.staging.urls import Url
from dodas.staging.values import Checksum, Entry, Expected, OnProgress, Received, Replica, Stored, ignore

# Told from where and to where a file goes, the bytes that have passed, and how many there are if known.
OnEach = Callable[[str, str, int, "int | None"], None]


class Storage:
    """WebDAV servers and federations of them, with the settings and credentials of one user.

    It may be used from any thread, and remembers what it has learned of servers; one for all that a process
    does is best.  Everything fails with a `TransferError`, which says what is wrong without secrets, or a
    `SpecError` where the request cannot be right.

    Attributes:
        settings: In use.
    """

    def __init__(self, settings: Settings | None = None, credentials: Credentials | None = None) -> None:
        """Open it; nothing is asked of anybody yet.

        Args:
            settings: From the environment if not given.
            credentials: From the environment if not given.
        """
        exchange = Exchange(settings, credentials)
        self.settings = exchange.settings
        self._session = Session(exchange=exchange, settings=exchange.settings, manners=Manners())

    def __enter__(self) -> Storage:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._session.exchange.close()

    def stat(self, url: str) -> Entry:
        """Return what there is at ``url``.

        Raises:
            NotThere: Nothing is.
        """
        return listing.stat(self._session.exchange, self._speakable(url))

    def entries(self, url: str) -> Iterator[Entry]:
        """Yield what is in a directory, in no order."""
        return listing.entries(self._session.exchange, self._speakable(url))

    def walk(self, url: str) -> Iterator[Entry]:
        """Yield all that is below a directory, itself left out, each directory before what is in it."""
        return trees.walk(self._session.exchange, self._speakable(url))

    def matching(self, url: str) -> Iterator[Entry]:
        """Yield what matches a pattern of ``*``, ``?``, ``[…]``, ``**``; a name that is there is itself."""
        from dodas.staging import globs  # noqa: PLC0415 - transfers do not need it

        return globs.matching(self._session.exchange, urls.parse(url))

    def locate(self, url: str) -> tuple[Replica, ...]:
        """Return the copies of a file, the one that would be tried first first."""
        return replicas.locate(self._session, self._speakable(url))

    def checksum(self, url: str, algorithm: str = "adler32") -> Checksum | None:
        """Return what the server says is the checksum of a file; ``None`` if it does not know this one."""
        name = canonical(algorithm)
        where = self._speakable(url)
        with ask_with_digest(
            self._session, "HEAD", where, origin=where, algorithms=(name,), retry=True
        ) as response:
            return next((one for one in told_by(response.headers) if one.algorithm == name), None)

    def download(
        self,
        url: str,
        path: str | os.PathLike[str],
        *,
        expected: Expected | None = None,
        overwrite: bool = False,
        resume: bool = True,
        progress: OnProgress = ignore,
        modified: float | None = None,
    ) -> Received:
        """Fetch a file; it gets its name when it is complete and verified.

        What a broken or killed download has brought is gone on with, if it is known to be of the same file.
        Other copies are tried where one fails.  As with ``cp``, what was written last may be lost if the
        machine goes down.

        Args:
            url: What to fetch.
            path: Where to; its directory exists.
            expected: What it must be.
            overwrite: Whether a file that is there is replaced.
            resume: Whether to go on with what was left.
            progress: Told of the bytes.
            modified: When it was changed, as it is to be known here, too; where that can be had.

        Raises:
            AlreadyThere: A file is there.
            Corrupt: No copy is what it should be.
        """
        where = _a_file(urls.parse(url))
        return download(
            self._session,
            where,
            os.path.abspath(path),
            expected=expected or Expected(),
            overwrite=overwrite,
            resume=resume,
            progress=progress,
            modified=modified,
        )

    def upload(
        self,
        path: str | os.PathLike[str],
        url: str,
        *,
        overwrite: bool = False,
        checksums: tuple[Checksum | str, ...] = (),
        progress: OnProgress = ignore,
    ) -> Stored:
        """Store a file; it gets its name when it is complete and verified, as far as servers allow.

        Directories that are missing are made.  To replace a file in a federation is to remove all copies
        first, so that no old one stays beside the new one; it fails if one cannot be reached.

        Args:
            path: The file.
            url: What it is to be called.
            overwrite: Whether it may replace another file.
            checksums: What it must have, or names of algorithms to be computed too.
            progress: Told of the bytes.

        Raises:
            AlreadyThere: A file is there.
        """
        return upload(
            self._session,
            os.fspath(path),
            _a_file(urls.parse(url)),
            overwrite=overwrite,
            checksums=checksums,
            progress=progress,
        )

    def copy(
        self, source: str, destination: str, *, overwrite: bool = False, progress: OnProgress = ignore
    ) -> Stored:
        """Copy a file from one storage to another, or within one.

        The servers do it among themselves if they can; otherwise it passes through this machine, but not over
        its disk.  Apart from that it is as `upload`.

        Raises:
            AlreadyThere: A file is there.
            NotThere: The source is not.
        """
        from dodas.staging.copying import copy  # noqa: PLC0415 - other transfers do not need it

        return copy(
            self._session,
            _a_file(urls.parse(source)),
            _a_file(urls.parse(destination)),
            overwrite=overwrite,
            progress=progress,
        )

    def download_many(
        self,
        pairs: Iterable[tuple[str, str | os.PathLike[str]]],
        on_done: Callable[[str, str, Received | DodasError], object],
        *,
        at_once: int | None = None,
        overwrite: bool = False,
        resume: bool = True,
        progress: OnEach | None = None,
    ) -> None:
        """Fetch many files; one that fails does not keep the others from coming.

        Args:
            pairs: Each a URL and a path; taken as they are needed.
            on_done: Told URL, path and what came of it, one after the other, in this thread.
            at_once: How many at a time; connections to one host are bounded by the settings besides.
            overwrite: As in `download`.
            resume: As in `download`.
            progress: Told URL, path, and the bytes as in `download`; from any thread.
        """

        def fetch(job: tuple[str, str | os.PathLike[str]], check: Callable[[], None]) -> Received:
            url, path = job
            watch = _watch(progress, url, os.fspath(path), check)
            return self.download(url, path, overwrite=overwrite, resume=resume, progress=watch)

        queue.run(
            pairs,
            fetch,
            lambda job, outcome: on_done(job[0], os.fspath(job[1]), outcome),
            at_once=at_once or self.settings.per_host,
        )

    def upload_many(
        self,
        pairs: Iterable[tuple[str | os.PathLike[str], str]],
        on_done: Callable[[str, str, Stored | DodasError], object],
        *,
        at_once: int | None = None,
        overwrite: bool = False,
        progress: OnEach | None = None,
    ) -> None:
        """Store many files; see `download_many`.  Each pair is a path and a URL."""

        def store(job: tuple[str | os.PathLike[str], str], check: Callable[[], None]) -> Stored:
            path, url = job
            watch = _watch(progress, os.fspath(path), url, check)
            return self.upload(path, url, overwrite=overwrite, progress=watch)

        queue.run(
            pairs,
            store,
            lambda job, outcome: on_done(os.fspath(job[0]), job[1], outcome),
            at_once=at_once or self.settings.per_host,
        )

    def remove(self, url: str, *, recursive: bool = False) -> None:
        """Remove a file with its copies; a directory and all in it only if ``recursive``.

        Raises:
            NotThere: There is nothing.
        """
        removal.remove(self._session, urls.parse(url), recursive=recursive)

    def make_directory(self, url: str, *, parents: bool = True) -> None:
        """Make a directory.

        Args:
            url: The directory.
            parents: Whether to make those above too, and to be content with one that is there.

        Raises:
            AlreadyThere: A file is, or a directory without ``parents``.
        """
        making.make_directory(self._session, self._speakable(url), parents=parents)

    def _speakable(self, text: str) -> Url:
        url = urls.parse(text)
        servers.refuse_unspeakable(self._session, url, origin=url)
        return url


def _watch(progress: OnEach | None, source: str, target: str, check: Callable[[], None]) -> OnProgress:
    def watch(done: int, total: int | None) -> None:
        check()
        if progress is not None:
            progress(source, target, done, total)

    return watch


def _a_file(url: Url) -> Url:
    if url.path.endswith("/"):
        raise SpecError(
            f"{url.redacted} names a directory", hint="leave the slash at its end out, or name a file in it"
        )
    return url
