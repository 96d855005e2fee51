"""Images on storage: where their files are there, and what is in the small ones.

::

    blobs/sha256/HEX                     layers, configurations, manifests: never changed, as their names say
    names/HOST/REPOSITORY/_tags/TAG      which manifest a name means on which platform: an OCI image index

An image is there when its manifest is, which comes after all that it needs.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dodas.containers.image import MANIFEST_TYPE, parse_json
from dodas.containers.reference import Reference
from dodas.containers.registry.platforms import Platform
from dodas.errors import ImageCorrupt, NotThere, SpecError
from dodas.paths import scratch_dir
from dodas.staging import urls
from dodas.staging.values import Checksum, Expected

if TYPE_CHECKING:
    from dodas.staging.storage import Storage

_LARGEST = 4 << 20  # bytes of a manifest, as registries have it
_INDEX_TYPE = "application/vnd.oci.image.index.v1+json"
EMPTY: Mapping[str, Any] = {"schemaVersion": 2, "mediaType": _INDEX_TYPE, "manifests": []}
_NAME = "org.opencontainers.image.ref.name"
_HOST = str.maketrans(":[]", "_~~")  # a host has none of these itself


class Shelf:
    """A directory on storage with images.

    Attributes:
        storage: The way to it.
        url: The directory, as it may be shown.
    """

    def __init__(self, storage: Storage, url: str) -> None:
        """Name it; nothing is asked of anybody yet.

        Args:
            storage: The way to it.
            url: The directory.

        Raises:
            SpecError: It is no URL of storage.
        """
        self.storage = storage
        self._root = urls.parse(url)
        if self._root.query:
            raise SpecError(
                f"{self._root.redacted} has a query, and what is below it has not",
                hint="name the directory alone, and give a token as for other files",
            )
        self.url = self._root.redacted.rstrip("/")

    def blob(self, digest: str) -> str:
        """Return the URL of a blob."""
        return str(urls.join(self._root, f"blobs/sha256/{digest.partition(':')[2]}"))

    def name(self, reference: Reference) -> str:
        """Return the URL of what says which image a name with a tag means."""
        host = reference.host.translate(_HOST)
        return str(urls.join(self._root, f"names/{host}/{reference.repository}/_tags/{reference.tag}"))

    def read(self, url: str, digest: str = "") -> bytes:
        """Return the content of a small file, verified if its digest is known.

        Raises:
            NotThere: There is none.
            ImageCorrupt: It is too large to be what it should be.
            TransferError: It cannot be had, or is another one.
        """

        def bounded(done: int, _: int | None) -> None:
            if done > _LARGEST:
                raise ImageCorrupt(f"{url} is too large for what it should be", hint=_MEND)

        with tempfile.TemporaryDirectory(prefix="dodas-image-", dir=scratch_dir()) as folder:
            path = os.path.join(folder, "file")
            self.storage.download(url, path, expected=expected(digest), progress=bounded)
            with open(path, "rb") as file:
                return file.read()

    def index(self, reference: Reference) -> dict[str, Any] | None:
        """Return what a name with a tag means, nothing if it is damaged; ``None`` if there is no such name.

        Raises:
            TransferError: It cannot be had.
        """
        try:
            found = parse_json(self.read(self.name(reference)), f"name {reference}")
        except NotThere:
            return None
        except ImageCorrupt:
            return dict(EMPTY)
        listed = found.get("manifests")
        sound = isinstance(listed, list) and all(isinstance(entry, dict) for entry in listed)
        return found if sound else dict(EMPTY)


_MEND = "remove it with `dodas data rm`, and push the image again"


def expected(digest: str, size: int | None = None) -> Expected:
    """Return what the blob of a digest must be; nothing is known without one."""
    checksum = Checksum(algorithm="sha256", value=digest.partition(":")[2])
    return Expected(size=size, checksums=(checksum,) if digest else ())


def entry_of(manifest: bytes, digest: str, platform: str, name: Reference) -> dict[str, Any]:
    """Return what an index says of an image.

    Args:
        manifest: Its manifest.
        digest: Of that.
        platform: What it is for; empty for machines as this one.
        name: What it is called.
    """
    one = Platform.parse(platform) if platform else Platform.here()
    words = {"os": one.os, "architecture": one.architecture, "variant": one.variant}
    return {
        "mediaType": str(parse_json(manifest, f"manifest of {name}").get("mediaType") or MANIFEST_TYPE),
        "digest": digest,
        "size": len(manifest),
        "platform": {key: word for key, word in words.items() if word},
        "annotations": {_NAME: str(name)},
    }


def with_entry(index: Mapping[str, Any], entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return an index in which ``entry`` is the image for its platform."""
    others = [one for one in index["manifests"] if one.get("platform") != entry["platform"]]
    return {**index, "manifests": sorted([*others, entry], key=_order)}


def has_platform(index: Mapping[str, Any], platform: Mapping[str, str]) -> bool:
    """Return whether an index has an image for a platform."""
    return any(one.get("platform") == platform for one in index["manifests"])


def content_of(index: Mapping[str, Any]) -> bytes:
    """Return an index as it is written."""
    return json.dumps(index, indent=2).encode() + b"\n"


def _order(entry: Mapping[str, Any]) -> str:
    return json.dumps(entry.get("platform"), sort_keys=True)
