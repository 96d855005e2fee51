"""An image on its way from the store of the submit side to that of a node."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable

from dodas.containers import tags
from dodas.containers.image import Image, digest_of, manifest_of
from dodas.containers.progress import OnProgress, Progress, ignore
from dodas.containers.reference import Reference, is_digest
from dodas.containers.store import Store, lookup
from dodas.errors import ImageError, SpecError, StoreError
from dodas.node.sources import ImageFile, ImageSource

__all__ = ["ImageFile", "ImageSource", "describe", "fill"]

_PIECE = 1 << 20
# For images to which udocker gave a name that no registry would take.
_NAMELESS = "localhost/image"


def describe(store: Store, name: str) -> ImageSource | None:
    """Return what a node needs to know to get the image ``name``; ``None`` if the store does not have it.

    An image in a format of before 2016 gets a manifest, for which its layers are read once.

    Raises:
        SpecError: ``name`` is not the name of an image.
        StoreError: A file of the image cannot be read.
    """
    try:
        image = lookup(store, name)
        config = tags.configuration(store.layout, image)
        layers = [_file(store.layout.blob(layer), layer) for layer in image.layers]
    except ImageError:
        return None
    except OSError as error:
        raise StoreError(f"cannot read {error.filename}: {error.strerror}") from error
    manifest, digest = _manifest(store, image, config, layers)
    return ImageSource(
        name=f"{_repository(image)}@{digest}",
        digest=digest,
        manifest=manifest.decode(errors="surrogateescape"),
        config=config.decode(errors="surrogateescape"),
        layers=tuple(layers),
    )


def fill(
    store: Store,
    source: ImageSource,
    fetch: Callable[[ImageFile], Iterable[bytes]],
    progress: OnProgress = ignore,
) -> None:
    """Have an image in ``store``: what is missing of it is fetched, by one of all processes that want it.

    Args:
        store: A node's store.
        source: The image.
        fetch: Gives the content of a layer in pieces; it is verified here.
        progress: Told the bytes fetched.

    Raises:
        ImageCorrupt: What was fetched is not what its digest says.
        StoreError: The disk does not take it.
    """
    with store.adding():
        for layer in source.layers:
            _bring(store, layer, fetch, progress)
        store.add_image(
            source.name,
            source.config.encode(errors="surrogateescape"),
            source.manifest.encode(errors="surrogateescape"),
            [layer.digest for layer in source.layers],
            source.digest,
        )


def _bring(
    store: Store, layer: ImageFile, fetch: Callable[[ImageFile], Iterable[bytes]], progress: OnProgress
) -> None:
    what = f"layer {layer.digest.partition(':')[2][:12]}"

    def waiting() -> None:
        progress(Progress(what=f"waiting for another job that fetches {what}", done=0))

    with store.blob(layer.digest, size=layer.size, on_wait=waiting) as blob:
        if not blob.present:
            for piece in fetch(layer):
                blob.write(piece)
                progress(Progress(what=what, done=blob.written, total=layer.size))


def _file(path: str, name: str) -> ImageFile:
    digest = name if is_digest(name) else _digest(path)
    return ImageFile(digest=digest, size=os.stat(path).st_size, path=os.path.realpath(path))


def _digest(path: str) -> str:
    import hashlib  # noqa: PLC0415 - seldom needed

    checksum = hashlib.sha256()
    with open(path, "rb", buffering=0) as file:
        while piece := file.read(_PIECE):
            checksum.update(piece)
    return f"sha256:{checksum.hexdigest()}"


def _manifest(store: Store, image: Image, config: bytes, layers: list[ImageFile]) -> tuple[bytes, str]:
    path = os.path.join(store.layout.tag(*image.filed), "manifest")
    if all(map(is_digest, image.layers)) and digest_of(config) == image.id:
        with open(path, "rb") as file:
            return file.read(), image.digest
    made = manifest_of((digest_of(config), len(config)), [(one.digest, one.size, "") for one in layers])
    return made, digest_of(made)


def _repository(image: Image) -> str:
    try:
        return Reference.filed(*image.filed).name
    except SpecError:
        return _NAMELESS
