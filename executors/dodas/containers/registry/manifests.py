"""What a registry says an image consists of: manifests and indexes, both in Docker's words and in OCI's."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from typing import Any

from dodas.containers.reference import is_digest
from dodas.containers.registry.platforms import Platform
from dodas.errors import ImageCorrupt, ImageError, ImageNotFound
from dodas.values import dataclass

_DOCKER = "application/vnd.docker.distribution."
_OCI = "application/vnd.oci.image."
MANIFESTS = (f"{_OCI}manifest.v1+json", f"{_DOCKER}manifest.v2+json")
INDEXES = (f"{_OCI}index.v1+json", f"{_DOCKER}manifest.list.v2+json")
_CONFIGS = (f"{_OCI}config.v1+json", "application/vnd.docker.container.image.v1+json")

ACCEPT = ", ".join((*MANIFESTS, *INDEXES))


@dataclass(frozen=True, slots=True, kw_only=True)
class Descriptor:
    """One blob: what it is, how many bytes, and their digest."""

    digest: str
    size: int
    media_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """One image for one platform.

    Attributes:
        digest: Of ``content``.
        content: The bytes as the registry gave them.
        config: The image's configuration.
        layers: From the lowest to the highest; one may occur twice.
    """

    digest: str
    content: bytes
    config: Descriptor
    layers: tuple[Descriptor, ...]

    @property
    def blobs(self) -> tuple[Descriptor, ...]:
        """Everything to fetch, each once."""
        return tuple({blob.digest: blob for blob in (self.config, *self.layers)}.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """One image for several platforms."""

    entries: tuple[tuple[Platform, str], ...]

    def choose(self, wanted: tuple[Platform, ...], *, what: str) -> str:
        """Return the digest of the first of the wanted platforms that is there.

        Raises:
            ImageNotFound: The image is for other platforms only; the hint lists them.
        """
        for platform in wanted:
            for offered, digest in self.entries:
                if offered == platform:
                    return digest
        raise not_for(what, wanted[0], [platform for platform, _ in self.entries])


def read(content: bytes, content_type: str, *, what: str) -> Manifest | Index:
    """Read a manifest or an index, whose bytes have been verified or need no verifying.

    Raises:
        ImageError: It is neither, or not of a container image.
    """
    parsed = _json(content, what)
    kind = str(parsed.get("mediaType") or content_type.partition(";")[0].strip())
    # An OCI manifest need not name its type, and not every registry sends the header.
    if kind in INDEXES or (kind not in MANIFESTS and isinstance(parsed.get("manifests"), list)):
        return Index(entries=tuple(_entries(parsed, what)))
    if parsed.get("schemaVersion") == 1:
        raise ImageError(
            f"{what} is in the format of 2014 (schema 1), which carries no verifiable configuration",
            hint="push the image again with a current Docker, Podman or skopeo",
        )
    config = _descriptor(parsed.get("config"), what)
    if config.media_type and config.media_type not in _CONFIGS:
        raise ImageError(
            f"{what} is not a container image but {config.media_type}", hint="use the name of an image"
        )
    layers = parsed.get("layers")
    if not isinstance(layers, list):
        raise damaged(what)
    return Manifest(
        digest=f"sha256:{hashlib.sha256(content).hexdigest()}",
        content=content,
        config=config,
        layers=tuple(_descriptor(layer, what) for layer in layers),
    )


def verify(content: bytes, digest: str, *, what: str) -> None:
    """Compare bytes with their digest.

    Raises:
        ImageCorrupt: They differ.
    """
    algorithm, _, expected = digest.partition(":")
    if not is_digest(digest) or not hmac.compare_digest(
        hashlib.new(algorithm, content).hexdigest(), expected
    ):
        raise ImageCorrupt(
            f"the manifest of {what} is not the one with the digest {digest}",
            hint="try again; if it stays so, the registry, a mirror or a proxy changes what it passes on",
        )


def not_for(what: str, wanted: Platform, offered: list[Platform]) -> ImageNotFound:
    """Return the error for an image that other machines run."""
    known = sorted({str(platform) for platform in offered if platform.os != "unknown"})
    return ImageNotFound(
        f"{what} is not made for {wanted}, only for {', '.join(known) or 'no platform that it names'}",
        hint="take another tag, or ask for one of these with --platform if you have an emulator for it",
    )


def damaged(what: str) -> ImageCorrupt:
    """Return the error for something that should be a manifest."""
    return ImageCorrupt(
        f"the registry's description of {what} is damaged",
        hint="try again; if it stays so, tell those who run the registry",
    )


def _json(content: bytes, what: str) -> dict[str, Any]:
    try:
        parsed = json.loads(content)
    except (ValueError, RecursionError):
        parsed = None
    if isinstance(parsed, dict):
        return parsed
    raise damaged(what)


def _entries(index: dict[str, Any], what: str) -> list[tuple[Platform, str]]:
    listed = index.get("manifests")
    if not isinstance(listed, list):
        raise damaged(what)
    entries = []
    for entry in listed:
        descriptor = _descriptor(entry, what)
        platform = entry.get("platform")
        named = platform if isinstance(platform, dict) else {}
        entries.append(
            (
                Platform(
                    os=_word(named.get("os")) or "unknown",
                    architecture=_word(named.get("architecture")) or "unknown",
                    variant=_word(named.get("variant")),
                ),
                descriptor.digest,
            )
        )
    return entries


def _descriptor(value: object, what: str) -> Descriptor:
    if not isinstance(value, dict):
        raise damaged(what)
    digest, size = value.get("digest"), value.get("size")
    if not isinstance(digest, str) or not is_digest(digest) or not isinstance(size, int) or size < 0:
        raise damaged(what)
    return Descriptor(digest=digest, size=size, media_type=_word(value.get("mediaType")))


def _word(value: object) -> str:
    """Return a word from a registry as it may be shown: it might hold control sequences of a terminal."""
    return re.sub(r"[^A-Za-z0-9._+/-]", "?", str(value or ""))[:100]
