"""Images that udocker itself has loaded, imported or pulled in the formats of before 2016."""

from __future__ import annotations

import hashlib
import json
import os
from typing import Any

from dodas.errors import ImageCorrupt
from dodas.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class LegacyImage:
    """An image without verifiable digests.

    Attributes:
        digest: ``sha256:…`` of what describes it, so that a changed one is another image.
        layers: Files in ``layers``, the lowest first.
        configuration: JSON.
    """

    digest: str
    layers: tuple[str, ...]
    configuration: bytes


def read_legacy(directory: str) -> LegacyImage | None:
    """Return the image in a tag's directory if it is of the old kind.

    Raises:
        ImageCorrupt: It is, but parts are missing.
    """
    try:
        if os.path.exists(os.path.join(directory, "v1")):
            return _version_1(directory)
        with open(os.path.join(directory, "manifest"), "rb") as file:
            content = file.read()
        return _schema_1(content) if b'"fsLayers"' in content else None
    except FileNotFoundError:
        return None
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise ImageCorrupt(
            f"the description of the image in {directory} is damaged", hint="pull or load the image again"
        ) from error


def _version_1(directory: str) -> LegacyImage:
    with open(os.path.join(directory, "ancestry"), "rb") as file:
        ancestry = json.load(file)  # the highest first
    layers = tuple(f"{layer}.layer" for layer in reversed(ancestry))
    # udocker falls back on the highest layer's own description.
    for name in ("container.json", f"{ancestry[0]}.json"):
        path = os.path.join(directory, name)
        if os.path.exists(path):
            with open(path, "rb") as file:
                return _image(layers, file.read())
    raise LookupError(directory)


def _schema_1(content: bytes) -> LegacyImage:
    manifest: dict[str, Any] = json.loads(content)
    layers = tuple(layer["blobSum"] for layer in reversed(manifest["fsLayers"]))
    return _image(layers, manifest["history"][0]["v1Compatibility"].encode())


def _image(layers: tuple[str, ...], configuration: bytes) -> LegacyImage:
    described = json.dumps(layers).encode() + configuration
    return LegacyImage(
        digest=f"sha256:{hashlib.sha256(described).hexdigest()}", layers=layers, configuration=configuration
    )
