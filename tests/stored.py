"""Looks at an image store as udocker would, without dodas."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Protocol

from registry_server import Image, digest


class HasRoot(Protocol):
    """A store."""

    @property
    def root(self) -> str: ...


def tag_directory(store: HasRoot, name: str) -> Path:
    """Return where udocker looks for ``name``: it cuts at the first colon."""
    repository, _, tag = name.replace("@", ":").partition(":")
    return Path(store.root, "repos", repository, tag)


def assert_stored(store: HasRoot, name: str, image: Image) -> None:
    """Fail if udocker would not find the image whole under ``name``."""
    directory = tag_directory(store, name)
    assert (directory / "TAG").is_file()
    assert (directory / "v2").is_file()
    assert json.loads((directory / "manifest").read_bytes()) == json.loads(image.manifest)
    for name_of_blob, content in image.blobs.items():
        assert (directory / name_of_blob).is_symlink()
        assert (directory / name_of_blob).read_bytes() == content


def images(store: HasRoot) -> list[str]:
    """Return the directories of all images that udocker would list."""
    top = Path(store.root, "repos")
    return sorted(str(Path(path).relative_to(top)) for path, _, files in os.walk(top) if "TAG" in files)


def assert_no_leftovers(store: HasRoot) -> None:
    """Fail if a file with the name of a layer is not that layer."""
    for path in Path(store.root, "layers").glob("sha256:*"):
        if len(path.name) == len("sha256:") + 64:
            assert digest(path.read_bytes()) == path.name
