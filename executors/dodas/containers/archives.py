"""Images from files: ``docker save`` and OCI archives, and plain root file systems.

Archives of Docker, Podman, Buildah, skopeo and containerd are read, old and new, compressed or not, and OCI
layouts in a directory.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from dodas.containers.archive.contents import Contents
from dodas.containers.archive.described import PackedImage, PackedLayer
from dodas.containers.archive.docker import docker_images
from dodas.containers.archive.opening import AGAIN, open_archive
from dodas.containers.archive.rootfs import import_tar
from dodas.containers.image import Image, digest_of, manifest_of
from dodas.containers.progress import OnProgress, Progress, ignore
from dodas.containers.reference import Reference
from dodas.containers.store import Store
from dodas.containers.tar.compression import decompressed
from dodas.containers.tar.faults import TarFault
from dodas.errors import ImageCorrupt, SpecError

__all__ = ["import_tar", "load"]


def load(
    store: Store,
    path: str,
    *,
    name: str | None = None,
    platform: str | None = None,
    progress: OnProgress = ignore,
) -> tuple[Image, ...]:
    """Bring the images of an archive into the store, all or none of each.

    Args:
        store: Where they go.
        path: Archive, or directory with an OCI layout.
        name: What to call the image instead of what the archive calls it; the archive must hold one only.
        platform: Which one of an image for several platforms; ``None`` for this machine's.
        progress: Told the bytes of layers copied.

    Returns:
        One entry for each name, in the order of the archive.

    Raises:
        SpecError: There is no such file, it is no archive of images, or an image in it has no name.
        ImageCorrupt: It is damaged; images before the damaged one may have been loaded.
        ImageNotFound: It has the image for other platforms only.
        StoreError: The disk does not take it.
    """
    with open_archive(store, path, progress) as contents:
        packed = _described(contents, path, platform)
        names = [_references(image, name, path, many=len(packed) > 1) for image in packed]
        return tuple(
            loaded
            for image, references in zip(packed, names, strict=True)
            for loaded in _admit(store, contents, image, references, progress)
        )


def _described(contents: Contents, path: str, platform: str | None) -> list[PackedImage]:
    """Return the images in an archive of whatever kind."""
    if contents.has("oci-layout") and contents.has("index.json"):
        # What these share with registries is heavy to import.
        from dodas.containers.archive.oci import oci_images  # noqa: PLC0415
        from dodas.containers.registry.platforms import Platform  # noqa: PLC0415

        wanted = (Platform.parse(platform),) if platform else Platform.here().runnable()
        packed = oci_images(contents, wanted)
    elif contents.has("manifest.json"):
        packed = docker_images(contents)
    else:
        raise SpecError(f"{path} is not an archive of images", hint=_hint_for(contents))
    if not packed:
        raise SpecError(f"{path} holds no image", hint="save the image again")
    return packed


def _hint_for(contents: Contents) -> str:
    if contents.has("repositories"):
        return "save the image again with a Docker later than 1.9"
    if any(contents.has(name) for name in ("bin/sh", "usr/bin/sh", "bin/busybox", "etc/passwd")):
        return "this is a root file system: use `dodas image import TAR NAME`"
    return "give the file made by `docker save`, `podman save` or `skopeo copy`"


def _references(image: PackedImage, name: str | None, path: str, *, many: bool) -> list[Reference]:
    if name is not None and many:
        raise SpecError(f"{path} holds several images", hint="leave the name out: each has its own")
    names = image.names if name is None else (name,)
    if not names:
        problem = f"{path} does not say what its image is called"
        raise SpecError(problem, hint="give a name: --name NAME[:TAG]")
    return [Reference.parse(one) for one in names]


def _admit(
    store: Store, contents: Contents, image: PackedImage, references: list[Reference], progress: OnProgress
) -> Iterator[Image]:
    """Bring one image in under all its names."""
    with store.adding():
        digests = [_bring(store, contents, layer, progress) for layer in image.layers]
        config = digest_of(image.config)
        manifest, digest = image.manifest, digest_of(image.manifest)
        if not manifest:
            sizes = [os.path.getsize(store.layout.blob(layer)) for layer in digests]
            blobs = [(layer, size, "") for layer, size in zip(digests, sizes, strict=True)]
            manifest, digest = manifest_of((config, len(image.config)), blobs), config
        for reference in references:
            yield store.add_image(reference, image.config, manifest, digests, digest)


def _bring(store: Store, contents: Contents, layer: PackedLayer, progress: OnProgress) -> str:
    """Bring a layer in; return its digest.

    One whose digest the archive does not state is stored as what it decompresses to, whose digest is known.
    """
    digest = layer.digest or layer.diff_id
    total = contents.size(layer.name)
    what = f"layer {digest.partition(':')[2][:12]}"

    def waiting() -> None:
        progress(Progress(what=f"waiting for another process that loads {what}", done=0))

    def raw() -> Iterator[bytes]:
        done = 0
        for piece in contents.pieces(layer.name):
            yield piece
            done += len(piece)
            progress(Progress(what=what, done=done, total=total))

    with store.blob(digest, size=layer.size, on_wait=waiting) as blob:
        if not blob.present:
            try:
                for piece in raw() if layer.digest else decompressed(raw()):
                    blob.write(piece)
            except TarFault as fault:
                raise ImageCorrupt(f"{layer.name} in the archive is damaged: {fault}", hint=AGAIN) from fault
    return digest
