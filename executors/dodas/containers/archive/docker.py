"""Archives of ``docker save``, ``podman save`` and skopeo's ``docker-archive:``.

``manifest.json`` names the files.  What else is there (``repositories``, ``VERSION``, ``json``) is for Docker
before 1.10.
"""

from __future__ import annotations

import json
from typing import Any

from dodas.containers.archive.contents import Contents, text
from dodas.containers.archive.described import PackedImage, PackedLayer
from dodas.containers.image import diff_ids, parse_json
from dodas.containers.reference import is_digest
from dodas.errors import ImageCorrupt


def docker_images(contents: Contents) -> list[PackedImage]:
    """Return the images that ``manifest.json`` lists.

    Raises:
        ImageCorrupt: It is damaged, or files that it names are missing.
    """
    return [_image(contents, entry) for entry in _entries(contents)]


def docker_names(contents: Contents) -> dict[str, tuple[str, ...]]:
    """Return the names of images by the file name of their configuration."""
    if not contents.has("manifest.json"):
        return {}
    return {str(entry.get("Config")): _names(entry) for entry in _entries(contents)}


def _entries(contents: Contents) -> list[dict[str, Any]]:
    try:
        entries = json.loads(text(contents, "manifest.json"))
    except (ValueError, RecursionError):
        entries = None
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise _damaged("manifest.json")
    return entries


def _image(contents: Contents, entry: dict[str, Any]) -> PackedImage:
    config_name, files = entry.get("Config"), entry.get("Layers")
    if not isinstance(config_name, str) or not isinstance(files, list):
        raise _damaged("manifest.json")
    config = text(contents, config_name)
    ids = diff_ids(parse_json(config, f"configuration {config_name}"))
    if len(ids) != len(files) or not all(isinstance(file, str) for file in files):
        problem = f"the archive has {len(files)} layers for an image of {len(ids)}"
        raise ImageCorrupt(problem, hint="make the archive again")
    if not all(map(is_digest, ids)):
        raise _damaged(config_name)
    layers = tuple(
        PackedLayer(name=file, digest="", diff_id=diff_id) for file, diff_id in zip(files, ids, strict=True)
    )
    return PackedImage(names=_names(entry), config=config, manifest=b"", layers=layers)


def _names(entry: dict[str, Any]) -> tuple[str, ...]:
    names = entry.get("RepoTags")
    return tuple(name for name in names if isinstance(name, str)) if isinstance(names, list) else ()


def _damaged(name: str) -> ImageCorrupt:
    return ImageCorrupt(f"{name} in the archive is damaged", hint="make the archive again")
