"""Bringing one blob into the store, resumed where it broke off."""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence

from dodas.containers.blobs import Blob
from dodas.containers.progress import OnProgress, Progress, ignore
from dodas.containers.registry.client import requests, urllib3
from dodas.containers.registry.faults import WebPage, fault_of, unreachable
from dodas.containers.registry.manifests import Descriptor
from dodas.containers.registry.patience import Patience
from dodas.containers.registry.repository import Repository
from dodas.containers.store import Store
from dodas.errors import ImageCorrupt, ImageError, RegistryUnreachable

_CHUNK = 1 << 16  # bytes; smaller ones cost CPU, larger ones make progress jerky on a slow line


class Stopped(Exception):
    """The transfer was asked to stop."""


class Courier:
    """Brings blobs from servers into a store.  Usable from several threads.

    Args:
        store: Where to.
        sources: Mirrors and registry, in the order to ask them.
        patience: How long to wait, how often to try.
        progress: Told the bytes of each blob so far; called from several threads.
    """

    def __init__(
        self,
        store: Store,
        sources: Sequence[Repository],
        *,
        patience: Patience,
        progress: OnProgress = ignore,
    ) -> None:
        self._store = store
        self._sources = sources
        self._patience = patience
        self._progress = progress
        self._stop = threading.Event()

    def stop(self) -> None:
        """End all transfers soon; each raises `Stopped`."""
        self._stop.set()

    def bring(self, blob: Descriptor) -> None:
        """Have ``blob`` in the store, from the first source that gives it whole.

        Raises:
            ImageError: No source does; the error is that of the last one.
            StoreError: The disk does not take it.
            Stopped: `stop` was called.
        """
        *others, last = self._sources
        for source in others:
            try:
                self._bring_from(source, blob)
                return
            except ImageError:
                continue
        self._bring_from(last, blob)

    def _bring_from(self, source: Repository, blob: Descriptor) -> None:
        if self._stop.is_set():
            raise Stopped
        what = what_of(blob)
        waiting = Progress(what=f"waiting for another process that pulls {what}", done=0)
        with self._store.blob(
            blob.digest, size=blob.size, on_wait=lambda: self._progress(waiting)
        ) as incoming:
            if not incoming.present:
                _Transfer(source, blob, incoming, self._progress, self._stop).run(self._patience)


class _Transfer:
    """One blob from one server."""

    def __init__(
        self,
        source: Repository,
        blob: Descriptor,
        incoming: Blob,
        progress: OnProgress,
        stop: threading.Event,
    ) -> None:
        self._source = source
        self._blob = blob
        self._incoming = incoming
        self._progress = progress
        self._stop = stop
        self._what = what_of(blob)

    def run(self, patience: Patience) -> None:
        """Receive all of it; the store compares the digest."""
        attempt = 0
        self._tell()
        while self._incoming.written < self._blob.size:
            before = self._incoming.written
            answer = self._source.blob(self._blob.digest, start=before)
            try:
                self._receive(answer)
            except WebPage:
                raise
            except RegistryUnreachable:
                attempt = 0 if self._incoming.written > before else attempt + 1
                if attempt >= patience.attempts:
                    raise
                patience.pause(attempt)

    def _receive(self, answer: requests.Response) -> None:
        try:
            self._start_of(answer)
            while chunk := self._read(answer):
                self._take(chunk)
        finally:
            answer.close()
        if self._incoming.written < self._blob.size:
            raise unreachable(self._source.host, f"sent only a part of {self._what}", hint="try again")

    def _start_of(self, answer: requests.Response) -> None:
        """Make ready for the body of an answer: it may begin anywhere, whatever we asked for."""
        if answer.headers.get("Content-Type", "").startswith("text/html"):
            raise WebPage(self._source.host)
        first = re.match(r"bytes (\d+)-", answer.headers.get("Content-Range", ""))
        if answer.status_code == 206 and first and int(first[1]) == self._incoming.written:
            return
        self._incoming.restart()
        if answer.status_code != 200:
            raise unreachable(self._source.host, f"does not resume {self._what}", hint="try again")

    def _read(self, answer: requests.Response) -> bytes:
        try:
            chunk: bytes = answer.raw.read(_CHUNK, decode_content=False)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise fault_of(error, self._source.host) from None
        return chunk

    def _take(self, chunk: bytes) -> None:
        if self._stop.is_set():
            raise Stopped
        if self._incoming.written + len(chunk) > self._blob.size:
            raise ImageCorrupt(
                f"{self._what} from {self._source.host} is longer than the manifest tells",
                hint="try again; if it stays so, the registry or a proxy damages what it passes on",
            )
        self._incoming.write(chunk)
        self._tell()

    def _tell(self) -> None:
        self._progress(Progress(what=self._what, done=self._incoming.written, total=self._blob.size))


def what_of(blob: Descriptor) -> str:
    """Return what people are told that a blob is."""
    return f"layer {blob.digest.partition(':')[2][:12]}"
