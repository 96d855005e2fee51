"""The storage as this process knows it: what it answers, and what was stored here lately."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from posixpath import basename
from time import time
from typing import TYPE_CHECKING

from dodas.errors import NotThere, TransferError
from snakemake_storage_plugin_dynafed.aside import heed
from snakemake_storage_plugin_dynafed.fresh import FreshFiles
from snakemake_storage_plugin_dynafed.lately import Lately
from snakemake_storage_plugin_dynafed.published import Published, entries

if TYPE_CHECKING:
    from dodas.staging.storage import Storage
    from dodas.staging.values import Checksum, Entry

# Snakemake compares checksums of small files only, and some storages read a file to answer.
_SMALL = 16 << 20
_ASKED = "md5"
_CAUGHT_UP = 30.0  # seconds until a federation knows by itself what others have stored


class Site:
    """A storage; URLs are as the client writes them, without a slash at the end."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage
        self._fresh = FreshFiles()
        self._lately = Lately()
        self._published = Published()
        self._checksums: dict[object, str | None] = {}

    def stat(self, url: str) -> Entry:
        """Return what is at ``url``.

        Raises:
            NotThere: Nothing is.
            TransferError: Nobody says.
        """
        entry = self._lately.get(url)
        if entry is None:
            entry = self._stat(url)
            self._lately.keep(url, entry)
        return entry

    def _stat(self, url: str) -> Entry:
        fresh = self._fresh.get(url)
        if fresh is not None:
            return self._fresh.stat(fresh, url, self.storage.stat)
        try:
            return self.storage.stat(url)
        except NotThere:
            if any(self._fresh.below(url)):
                return _directory(url)
            raise

    def entries(self, url: str) -> Iterator[Entry]:
        """Yield what the storage lists in the directory ``url``."""
        return self.storage.entries(f"{url}/")

    def walk(self, url: str) -> Iterator[Entry]:
        """Yield all that is below ``url``, also what a federation has not noticed yet."""
        listed, fresh = set(), list(self._fresh.below(url))
        try:
            for entry in self.storage.walk(f"{url}/"):
                listed.add(entry.url)
                yield entry
        except NotThere:
            # What a step has published may be known to be there before it is listed.
            if not fresh and self._lately.get(url) is None:
                raise
        for one in fresh:
            if one not in listed:
                yield replace(self.stat(one), url=one)

    def download(self, url: str, path: str) -> None:
        """Bring a file to ``path``; if this process has stored it, no other than that."""
        from dodas.staging.values import Expected  # noqa: PLC0415

        fresh = self._fresh.get(url)
        if fresh is None:
            self.storage.download(url, path, overwrite=True, progress=heed())
            return
        stored = fresh.stored
        expected = Expected(size=stored.size, checksums=stored.checksums)
        try:
            self.storage.download(url, path, expected=expected, overwrite=True, progress=heed())
        except NotThere:
            self.storage.download(stored.endpoint, path, expected=expected, overwrite=True, progress=heed())

    def believe(self, url: str, sizes: Mapping[str, int]) -> None:
        """Take note of what a step has published, and verified where it was taken.

        Args:
            url: The file or directory.
            sizes: Of the file, or of all that are in the directory, by their URLs.
        """
        self._fresh.forget(url)
        self._lately.forget(url)
        self._published.add(url, sizes)
        for entry in entries(sizes):
            self._lately.keep(entry.url, entry, seconds=_CAUGHT_UP)
        if url not in sizes:
            self._lately.keep(url, replace(_directory(url), modified=time()), seconds=_CAUGHT_UP)

    def await_one(self, url: str) -> None:
        """Return when others can read ``url``, should a step have published it lately.

        Raises:
            TransferError: They cannot for too long.
        """
        self._published.await_one(url, self.storage)

    def upload(self, path: str, url: str) -> None:
        """Store a file in place of what is there."""
        try:
            self._fresh.add(url, self.storage.upload(path, url, overwrite=True, progress=heed()))
        finally:
            self._lately.forget(url)

    def remove(self, url: str) -> None:
        """Remove what is at ``url`` and below; it may be gone already."""
        self._fresh.forget(url)
        try:
            self.storage.remove(url, recursive=True)
        except NotThere:
            pass
        finally:
            self._lately.forget(url)

    def checksum(self, url: str, entry: Entry) -> str | None:
        """Return a checksum of a kind that :mod:`hashlib` knows; ``None`` if none is to be had cheaply."""
        if entry.is_directory:
            return None
        fresh = self._fresh.get(url)
        told = (*entry.checksums, *(fresh.stored.checksums if fresh is not None else ()))
        at_hand = [str(one) for one in told if _is_hash(one)]
        return at_hand[0] if at_hand else self._asked(url, entry)

    def _asked(self, url: str, entry: Entry) -> str | None:
        version = url, entry.size, entry.modified, entry.etag
        if version not in self._checksums and entry.size is not None and entry.size <= _SMALL:
            try:
                answer = self.storage.checksum(url, _ASKED)
            except TransferError:
                return None  # nobody needs it so much
            self._checksums[version] = str(answer) if answer is not None and _is_hash(answer) else None
        return self._checksums.get(version)


def _is_hash(checksum: Checksum) -> bool:
    return checksum.algorithm in hashlib.algorithms_available


def _directory(url: str) -> Entry:
    from dodas.staging.urls import decoded  # noqa: PLC0415
    from dodas.staging.values import Entry  # noqa: PLC0415

    return Entry(url=f"{url}/", name=decoded(basename(url)), is_directory=True)
