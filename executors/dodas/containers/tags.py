"""Images as udocker files them: a directory for each name, with links to what the image consists of.

``manifest`` is what the image is; renaming another one over it is the one moment when a name changes its
meaning.  ``TAG`` makes the directory an image, and is the last to come and the first to go.  udocker never
reads it; its second line holds the digest under which the image is known.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import suppress

from dodas import whole
from dodas.containers.image import (
    Image,
    diff_ids,
    digest_of,
    image_config,
    manifest_digests,
    parse_json,
    platform_of,
)
from dodas.containers.layout import Layout
from dodas.containers.legacy import LegacyImage, read_legacy
from dodas.containers.reference import Reference
from dodas.errors import ImageCorrupt, SpecError

_LEGACY_FILES = ("v1", "ancestry", "container.json")


def is_image(layout: Layout, repository: str, tag: str) -> bool:
    """Return whether an image is filed there."""
    return os.path.isfile(os.path.join(layout.tag(repository, tag), "TAG"))


def all_images(layout: Layout) -> Iterator[tuple[str, str]]:
    """Yield repository and tag of every image."""
    for directory, _, files in os.walk(layout.repos):
        if "TAG" in files:
            repository, tag = os.path.split(os.path.relpath(directory, layout.repos))
            yield repository, tag


def links(layout: Layout, repository: str, tag: str) -> list[str]:
    """Return the names of the files in ``layers`` that an image links to."""
    with suppress(FileNotFoundError):
        entries = os.scandir(layout.tag(repository, tag))
        return [os.path.basename(os.readlink(entry.path)) for entry in entries if entry.is_symlink()]
    return []


def read_image(layout: Layout, repository: str, tag: str) -> Image:
    """Return the image that is filed there, by dodas or by udocker.

    Raises:
        ImageCorrupt: Its description is damaged.
    """
    directory = layout.tag(repository, tag)
    legacy = read_legacy(directory)
    if legacy is not None:
        return _from_legacy(layout, legacy, repository, tag)
    manifest = _read(os.path.join(directory, "manifest"))
    config, layers = manifest_digests(parse_json(manifest, f"manifest of {repository}:{tag}"))
    content = _read(layout.blob(config))
    if digest_of(content) != config:
        raise _damaged(f"the configuration of {repository}:{tag} is not what its digest says")
    configuration = parse_json(content, f"configuration of {repository}:{tag}")
    return Image(
        name=_name(repository, tag),
        filed=(repository, tag),
        digest=_stated_digest(directory, manifest) or config,
        id=config,
        layers=layers,
        diff_ids=diff_ids(configuration),
        config=image_config(configuration),
        size=_size(layout, layers),
        created=str(configuration.get("created") or ""),
        platform=platform_of(configuration),
    )


def configuration(layout: Layout, image: Image) -> bytes:
    """Return the whole configuration of an image, JSON."""
    if os.path.exists(layout.blob(image.id)):
        return _read(layout.blob(image.id))
    legacy = read_legacy(layout.tag(*image.filed))
    if legacy is None:
        raise _damaged(f"the configuration of {image.name} is gone")
    return legacy.configuration


def write_image(layout: Layout, repository: str, tag: str, manifest: bytes, digest: str) -> None:
    """File an image whose blobs are all there; the caller holds the lock of the images.

    Raises:
        OSError: The disk does not take it; a former image of that name is still whole.
    """
    directory = layout.tag(repository, tag)
    os.makedirs(directory, exist_ok=True)
    config, layers = manifest_digests(parse_json(manifest, "manifest"))
    wanted = {config, *layers}
    for blob in wanted:
        _link(layout, directory, blob)
    _replace(layout, os.path.join(directory, "v2"), b"")
    _replace(layout, os.path.join(directory, "manifest"), manifest)
    for name in _LEGACY_FILES:
        with suppress(FileNotFoundError):
            os.unlink(os.path.join(directory, name))
    first = f"{layout.repos}/{repository}:{tag}"  # as udocker has it
    _replace(layout, os.path.join(directory, "TAG"), f"{first}\n{digest}\n".encode())
    for entry in list(os.scandir(directory)):
        if entry.is_symlink() and entry.name not in wanted:
            os.unlink(entry.path)


def remove_image(layout: Layout, repository: str, tag: str) -> None:
    """Remove a name; the caller holds the lock of the images.

    The directory stays if it is also a part of other names: ``a:b`` and ``a/b:c`` share one.
    """
    directory = layout.tag(repository, tag)
    with suppress(FileNotFoundError):
        os.unlink(os.path.join(directory, "TAG"))
    with suppress(FileNotFoundError):
        for entry in list(os.scandir(directory)):
            if not entry.is_dir(follow_symlinks=False):
                os.unlink(entry.path)
    with suppress(OSError):
        while directory != layout.repos:
            os.rmdir(directory)
            directory = os.path.dirname(directory)


def _from_legacy(layout: Layout, legacy: LegacyImage, repository: str, tag: str) -> Image:
    configuration = parse_json(legacy.configuration, f"configuration of {repository}:{tag}")
    return Image(
        name=_name(repository, tag),
        filed=(repository, tag),
        digest=legacy.digest,
        id=legacy.digest,
        layers=legacy.layers,
        diff_ids=(),
        config=image_config(configuration),
        size=_size(layout, legacy.layers),
        created=str(configuration.get("created") or ""),
        platform=platform_of(configuration),
    )


def _stated_digest(directory: str, manifest: bytes) -> str:
    """Return the digest in ``TAG`` if it is that of the manifest: it may lag behind, and udocker has none."""
    lines = _read(os.path.join(directory, "TAG")).decode("utf-8", "replace")
    stated = lines.rstrip("\n").rpartition("\n")[2]  # the path before it may hold a newline
    algorithm, _, expected = stated.partition(":")
    if algorithm not in ("sha256", "sha512"):
        return ""
    return stated if hashlib.new(algorithm, manifest).hexdigest() == expected else ""


def _link(layout: Layout, directory: str, blob: str) -> None:
    link = os.path.join(directory, blob)
    target = os.path.relpath(layout.blob(blob), directory)
    with suppress(OSError):
        if os.readlink(link) == target:
            return
    fresh = layout.temporary("images")
    os.symlink(target, fresh)
    os.replace(fresh, link)


def _replace(layout: Layout, path: str, content: bytes) -> None:
    whole.write(path, content, mode=0o666, lasting=True, aside=layout.temporary("images"))


def _name(repository: str, tag: str) -> str:
    try:
        return str(Reference.filed(repository, tag))
    except SpecError:
        return f"{repository}:{tag}"


def _size(layout: Layout, layers: tuple[str, ...]) -> int:
    size = 0
    for layer in layers:
        with suppress(OSError):
            size += os.stat(layout.blob(layer)).st_size
    return size


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        raise _damaged(f"{path} is gone") from None


def _damaged(problem: str) -> ImageCorrupt:
    return ImageCorrupt(problem, hint="pull or load the image again")
