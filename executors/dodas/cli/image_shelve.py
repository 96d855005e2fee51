"""An image from the store to storage: blobs under their digests, then the manifest, then the name."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from dodas.backends.shelf import EMPTY, Shelf, content_of, entry_of, has_platform, with_entry
from dodas.cli.data_same import digests, same_there
from dodas.containers.image import Image, digest_of
from dodas.containers.progress import OnProgress, Progress
from dodas.containers.reference import Reference
from dodas.containers.store import Store, lookup
from dodas.errors import AlreadyThere, DodasError, ImageCorrupt, ImageNotFound, SpecError, StorageUnreachable
from dodas.node.images import describe
from dodas.paths import scratch_dir
from dodas.staging import queue
from dodas.values import dataclass

_AT_ONCE = 4  # blobs, as in a pull
_ATTEMPTS = 5  # to write a name, where others write it at the same time


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushed:
    """An image on storage.

    Attributes:
        name: What it is called there; only a digest where there is no tag.
        digest: Of its manifest, by which it can be pulled too.
        platform: What it is for.
        size: Bytes of its layers.
        sent: Bytes that had to be sent, in all.
    """

    name: str
    digest: str
    platform: str
    size: int
    sent: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    what: str
    digest: str
    path: str
    size: int


def push(store: Store, shelf: Shelf, name: str, progress: OnProgress) -> Pushed:
    """Have an image of the store on storage.  May be repeated, and done by several at once.

    Args:
        store: Where from.
        shelf: Where to.
        name: Name, digest or id.
        progress: Told the bytes of each layer; called from several threads.

    Raises:
        ImageNotFound: The store has no such image.
        ImageCorrupt: A file in the store is damaged; it was not sent.
        TransferError: The storage does not take it.
    """
    image = lookup(store, name)
    source = describe(store, name)
    if source is None:
        raise ImageCorrupt(f"the image {name} is damaged", hint="pull or load it again")
    reference = _reference(store, image, name)
    manifest = source.manifest.encode(errors="surrogateescape")
    config = source.config.encode(errors="surrogateescape")
    layers = {
        layer.digest: _File(what="layer", digest=layer.digest, path=layer.path, size=layer.size)
        for layer in source.layers
    }
    with _kept(config, "configuration") as first, _kept(manifest, "manifest") as last:
        sent = _put_all(shelf, [*layers.values(), first], progress)
        sent += _put(shelf, last, progress)
    # An image without a manifest of its own goes by another digest in the store.
    if reference.tag and not reference.digest:
        _give_name(shelf, reference, entry_of(manifest, last.digest, image.platform, reference))
    return Pushed(
        name=str(reference), digest=last.digest, platform=image.platform, size=source.size, sent=sent
    )


def _reference(store: Store, image: Image, text: str) -> Reference:
    """Return what an image is to be called: as the user did, or as it is filed if by digest or id."""
    try:
        store.filed(text)
        return Reference.parse(text)
    except (ImageNotFound, SpecError):
        return Reference.filed(*image.filed)


@contextmanager
def _kept(content: bytes, what: str) -> Iterator[_File]:
    with tempfile.TemporaryDirectory(prefix="dodas-image-", dir=scratch_dir()) as folder:
        path = Path(folder, what)
        path.write_bytes(content)
        yield _File(what=what, digest=digest_of(content), path=str(path), size=len(content))


def _put_all(shelf: Shelf, files: list[_File], progress: OnProgress) -> int:
    """Have blobs on the shelf; the first failure counts when the others are done."""
    failures: list[DodasError] = []
    sent = 0

    def done(_: _File, outcome: int | DodasError) -> None:
        nonlocal sent
        if isinstance(outcome, DodasError):
            failures.append(outcome)
        else:
            sent += outcome

    def put(file: _File, check: Callable[[], None]) -> int:
        return _put(shelf, file, progress, check)

    queue.run(files, put, done, at_once=_AT_ONCE)
    if failures:
        raise failures[0]
    return sent


def _put(shelf: Shelf, file: _File, progress: OnProgress, check: Callable[[], None] = lambda: None) -> int:
    """Have a blob on the shelf; return the bytes that had to be sent."""
    url = shelf.blob(file.digest)
    what = f"{file.what} {file.digest.partition(':')[2][:12]}"

    def told(done: int, _: int | None) -> None:
        check()
        progress(Progress(what=what, done=done, total=file.size))

    if _is_there(shelf, file, url):
        progress(Progress(what=f"{what} is there", done=file.size, total=file.size))
        return 0
    _verify(file)
    try:
        shelf.storage.upload(file.path, url, progress=told)
    except AlreadyThere:
        # Another push was faster, or what is there is not what its name says.
        if _is_there(shelf, file, url):
            return 0
        shelf.storage.upload(file.path, url, overwrite=True, progress=told)
    return file.size


def _is_there(shelf: Shelf, file: _File, url: str) -> bool:
    """Return whether a blob is there, of the right size, and with the checksum that the storage tells."""
    return same_there(shelf.storage, file.path, url, size_only=True) is not None


def _verify(file: _File) -> None:
    (found,) = digests(file.path, ["sha256"])
    if f"sha256:{found.value}" != file.digest:
        raise ImageCorrupt(
            f"{os.path.basename(file.path)} in the store is damaged", hint="pull or load the image again"
        )


def _give_name(shelf: Shelf, reference: Reference, entry: Mapping[str, Any]) -> None:
    """Let a name mean an image on its platform, and for others what it does."""
    url, platform = shelf.name(reference), entry["platform"]
    for _ in range(_ATTEMPTS):
        there = shelf.index(reference)
        wanted = with_entry(there or EMPTY, entry)
        if there == wanted:
            return
        with _kept(content_of(wanted), "name") as file, suppress(AlreadyThere):
            shelf.storage.upload(file.path, url, overwrite=there is not None)
        # Others may write at the same time.  Then what the last one wrote is what the name means, but no
        # platform is to get lost.
        if has_platform(shelf.index(reference) or EMPTY, platform):
            return
    raise StorageUnreachable(f"{url} cannot be written, for others write it too", hint="try again")
