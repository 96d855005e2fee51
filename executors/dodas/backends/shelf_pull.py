"""An image from storage into the store, as from a registry: verified, each blob brought by one process."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from dodas.backends.shelf import Shelf, expected
from dodas.containers.blobs import Blob
from dodas.containers.diskfaults import disk_faults
from dodas.containers.image import Image
from dodas.containers.progress import OnProgress, Progress, ignore
from dodas.containers.reference import Reference
from dodas.containers.registry.manifests import Descriptor, Index, Manifest, read
from dodas.containers.registry.platforms import Platform
from dodas.containers.registry.pull import take
from dodas.containers.registry.transfer import Stopped, what_of
from dodas.containers.removal import remove_tree
from dodas.containers.store import Store
from dodas.errors import Corrupt, ImageCorrupt, ImageError, ImageNotFound, NotThere


def pull(
    store: Store,
    shelf: Shelf,
    reference: Reference,
    *,
    platform: str | None = None,
    progress: OnProgress = ignore,
) -> Image:
    """Bring an image from storage into the store, of its layers only those that are not there yet.

    Args:
        store: Where to.
        shelf: Where from.
        reference: Which image.
        platform: ``linux/arm64``; ``None`` is what this machine runs.
        progress: Told the bytes of each layer; called from one thread at a time.

    Returns:
        The image as it is filed now.

    Raises:
        ImageNotFound: It was not pushed there, or not for the platform, or a part of it is gone.
        ImageCorrupt: Bytes differ from their digest.
        TransferError: The storage cannot be read.
        SpecError: The platform cannot be read.
        StoreError: The store cannot be written to.
    """
    wanted = Platform.wanted(platform)

    def courier(tell: OnProgress) -> _Courier:
        return _Courier(store, shelf, reference, tell)

    with store.adding():
        manifest = _manifest(shelf, reference, _digest(shelf, reference, wanted))
        return take(store, reference, manifest, wanted, carrier=courier, progress=progress)


def _digest(shelf: Shelf, reference: Reference, wanted: tuple[Platform, ...]) -> str:
    """Return the digest of the manifest that is meant."""
    if reference.digest:
        return reference.digest
    with _explained(shelf, reference, shelf.name(reference)):
        content = shelf.read(shelf.name(reference))
    try:
        index = read(content, "", what=str(reference))
    except ImageError:
        index = None
    if not isinstance(index, Index):
        raise ImageCorrupt(
            f"what {shelf.url} says of {reference} is damaged", hint=_push_it(shelf, reference)
        )
    return index.choose(wanted, what=str(reference))


def _manifest(shelf: Shelf, reference: Reference, digest: str) -> Manifest:
    url = shelf.blob(digest)
    with _explained(shelf, reference, url):
        content = shelf.read(url, digest)
    try:
        manifest = read(content, "", what=str(reference))
    except ImageError:
        manifest = None
    if not isinstance(manifest, Manifest):  # its bytes are right: the digest is that of something else
        raise _not_there(shelf, reference, url)
    return manifest


class _Courier:
    """Brings blobs from a shelf into a store.  Usable from several threads."""

    def __init__(self, store: Store, shelf: Shelf, reference: Reference, progress: OnProgress) -> None:
        self._store, self._shelf, self._reference = store, shelf, reference
        self._progress = progress
        self._stop = threading.Event()

    def stop(self) -> None:
        """End all transfers soon; each raises `Stopped`."""
        self._stop.set()

    def bring(self, blob: Descriptor) -> None:
        """Have ``blob`` in the store."""
        what = what_of(blob)

        def waiting() -> None:
            self._progress(Progress(what=f"waiting for another process that pulls {what}", done=0))

        self._go_on()
        with self._store.blob(blob.digest, size=blob.size, on_wait=waiting) as incoming:
            if not incoming.present:
                self._fetch(blob, incoming)

    def _fetch(self, blob: Descriptor, incoming: Blob) -> None:
        # Under the name of the blob's lock: if this is killed, the next one who wants it removes it.
        folder = self._store.layout.temporary(f"blob-{blob.digest.partition(':')[2]}")
        with disk_faults(self._store.root):
            os.mkdir(folder)
        try:
            path = os.path.join(folder, "blob")
            self._download(blob, path)
            incoming.take(path)
        finally:
            remove_tree(folder)

    def _download(self, blob: Descriptor, path: str) -> None:
        def told(done: int, _: int | None) -> None:
            self._go_on()
            self._progress(Progress(what=what_of(blob), done=done, total=blob.size))

        url, wanted = self._shelf.blob(blob.digest), expected(blob.digest, blob.size)
        told(0, None)
        with _explained(self._shelf, self._reference, url):
            self._shelf.storage.download(url, path, expected=wanted, progress=told)

    def _go_on(self) -> None:
        if self._stop.is_set():
            raise Stopped


@contextmanager
def _explained(shelf: Shelf, reference: Reference, url: str) -> Iterator[None]:
    """Turn what storage says of a file into what it means for the image."""
    try:
        yield
    except NotThere:
        raise _not_there(shelf, reference, url) from None
    except Corrupt as error:
        raise ImageCorrupt(
            f"{url} is damaged: {error}",
            hint=f"if it stays so: dodas data rm {url}; dodas image push {reference} {shelf.url}",
        ) from None


def _not_there(shelf: Shelf, reference: Reference, url: str) -> ImageNotFound:
    # Of a name or a digest that was never pushed, or of a part of something that was.
    known = (shelf.blob(reference.digest),) if reference.digest else (shelf.name(reference),)
    missing = f"has no image {reference}" if url in known else f"lacks a part of {reference}, {url}"
    return ImageNotFound(f"{shelf.url} {missing}", hint=_push_it(shelf, reference))


def _push_it(shelf: Shelf, reference: Reference) -> str:
    return f"where the image is: dodas image push {reference} {shelf.url}"
