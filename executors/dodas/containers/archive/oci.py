"""OCI image layouts, and ``docker save`` since Docker 25, whose archives are both.

https://github.com/opencontainers/image-spec/blob/main/image-layout.md
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dodas.containers.archive.contents import Contents, absent, text
from dodas.containers.archive.described import PackedImage, PackedLayer
from dodas.containers.archive.docker import docker_names
from dodas.containers.image import diff_ids, parse_json
from dodas.containers.registry.manifests import Index, Manifest, read, verify
from dodas.containers.registry.platforms import Platform
from dodas.errors import ImageCorrupt, ImageError

_NAMES = ("io.containerd.image.name", "org.opencontainers.image.ref.name")
_DEEPEST = 4  # indexes within indexes; buildx makes two


def oci_images(contents: Contents, wanted: tuple[Platform, ...]) -> list[PackedImage]:
    """Return the images that ``index.json`` lists; of those for several platforms, the one that is wanted.

    Raises:
        ImageCorrupt: The layout is damaged, or a digest is wrong.
        ImageNotFound: An image is there for other platforms only.
    """
    index = parse_json(text(contents, "index.json"), "index.json of the archive")
    also_named = docker_names(contents)
    images: dict[str, PackedImage] = {}
    for entry, names in _entries(index):
        digest, manifest = _resolve(contents, entry, wanted)
        former = images.get(digest)
        if former is None:
            former = _image(contents, manifest, also_named)
        all_names = dict.fromkeys((*former.names, *names))
        images[digest] = PackedImage(
            names=tuple(all_names), config=former.config, manifest=former.manifest, layers=former.layers
        )
    return list(images.values())


def _entries(index: dict[str, Any]) -> Iterator[tuple[dict[str, Any], tuple[str, ...]]]:
    entries = index.get("manifests")
    for entry in entries if isinstance(entries, list) else ():
        if not isinstance(entry, dict) or not isinstance(entry.get("digest"), str):
            raise ImageCorrupt("index.json in the archive is damaged", hint="make the archive again")
        annotations = entry.get("annotations")
        noted = annotations if isinstance(annotations, dict) else {}
        names = [noted[key] for key in _NAMES if isinstance(noted.get(key), str)]
        # The second is often the tag alone, when the first has the whole name.
        yield entry, tuple(names[:1])


def _resolve(contents: Contents, entry: dict[str, Any], wanted: tuple[Platform, ...]) -> tuple[str, Manifest]:
    digest: str = entry["digest"]
    media_type = str(entry.get("mediaType") or "")
    for _ in range(_DEEPEST):
        content = _blob(contents, digest)
        found = _read(content, media_type, digest)
        if isinstance(found, Manifest):
            return digest, found
        digest = _only(found) or found.choose(wanted, what="the image in the archive")
        media_type = ""
    raise ImageCorrupt("the indexes in the archive are nested too deeply", hint="make the archive again")


def _only(index: Index) -> str | None:
    """Return the digest of the one entry of an index that names no platform, such as an index again."""
    entries = index.entries
    return entries[0][1] if len(entries) == 1 and entries[0][0].os == "unknown" else None


def _read(content: bytes, media_type: str, digest: str) -> Manifest | Index:
    try:
        return read(content, media_type, what=f"{digest[:19]} in the archive")
    except ImageCorrupt:
        problem = f"the manifest {digest} in the archive is damaged"
        raise ImageCorrupt(problem, hint="make the archive again") from None


def _image(contents: Contents, manifest: Manifest, also_named: dict[str, tuple[str, ...]]) -> PackedImage:
    config = _blob(contents, manifest.config.digest)
    ids = diff_ids(parse_json(config, "configuration in the archive"))
    if len(ids) != len(manifest.layers):
        problem = f"the archive has {len(manifest.layers)} layers for an image of {len(ids)}"
        raise ImageCorrupt(problem, hint="make the archive again")
    layers = tuple(
        PackedLayer(name=_path(layer.digest), digest=layer.digest, diff_id=diff_id, size=layer.size)
        for layer, diff_id in zip(manifest.layers, ids, strict=True)
    )
    names = also_named.get(_path(manifest.config.digest), ())
    return PackedImage(names=names, config=config, manifest=manifest.content, layers=layers)


def _blob(contents: Contents, digest: str) -> bytes:
    path = _path(digest)
    if not contents.has(path):
        raise absent(path)
    content = text(contents, path)
    try:
        verify(content, digest, what="the image in the archive")
    except ImageError as error:
        raise ImageCorrupt(
            f"{path} in the archive is not what its digest says", hint="copy or make the archive again"
        ) from error
    return content


def _path(digest: str) -> str:
    return "blobs/" + digest.replace(":", "/", 1)
