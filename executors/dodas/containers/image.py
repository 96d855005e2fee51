"""What an image is made of, read from its manifest and its configuration."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from dodas.containers.prepared import ImageConfig
from dodas.containers.reference import is_digest
from dodas.errors import ImageCorrupt
from dodas.values import dataclass

MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
_NAMESPACE = bytes.fromhex("6c1f2c5294f35a3b8a0e2f6f7d0c4b1d")
LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar"


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """An image in the store.

    Attributes:
        name: As users write it: ``debian:bookworm``.
        digest: ``sha256:…`` of the manifest, or of the configuration for an archive without manifest.
        id: ``sha256:…`` of the configuration, which Docker calls the image id.
        layers: Names of the layer files in the store, the lowest first; for most ``sha256:…``.
        diff_ids: Digests of what the layers decompress to; empty when the image does not say.
        config: How it wants to be run.
        size: Bytes of its layers in the store.
        created: When it was built, as the image says, RFC 3339; empty when it does not.
        platform: ``linux/amd64``; empty when the image does not say.
        filed: Repository and tag in udocker's sense, the directories below ``repos``.
    """

    name: str
    filed: tuple[str, str]
    digest: str
    id: str
    layers: tuple[str, ...]
    diff_ids: tuple[str, ...]
    config: ImageConfig
    size: int
    created: str = ""
    platform: str = ""

    @property
    def container(self) -> str:
        """Id of the container in which the image is prepared."""
        # A UUID of version 5 (RFC 9562), without the module, whose import takes longer than preparing does.
        number = bytearray(
            hashlib.sha1(_NAMESPACE + self.digest.encode(), usedforsecurity=False).digest()[:16]
        )
        number[6] = number[6] & 0x0F | 0x50
        number[8] = number[8] & 0x3F | 0x80
        digits = number.hex()
        return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def digest_of(content: bytes) -> str:
    """Return the ``sha256:…`` of bytes."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def parse_json(content: bytes, what: str) -> dict[str, Any]:
    """Return a JSON object.

    Raises:
        ImageCorrupt: It is none.
    """
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise ImageCorrupt(f"the {what} is damaged", hint="pull or load the image again")
    return value


def image_config(configuration: Mapping[str, Any]) -> ImageConfig:
    """Return how an image wants to be run, from its configuration."""
    # Images of Docker before 1.10 may have the second only.
    config = configuration.get("config") or configuration.get("container_config")
    if not isinstance(config, Mapping):
        config = {}
    pairs = (item.partition("=") for item in _words(config.get("Env")))
    return ImageConfig(
        env=tuple((name, value) for name, equals, value in pairs if name and equals),
        entrypoint=_words(config.get("Entrypoint")),
        cmd=_words(config.get("Cmd")),
        workdir=_word(config.get("WorkingDir")) or "/",
        user=_word(config.get("User")),
    )


def diff_ids(configuration: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the digests of the uncompressed layers, from an image's configuration."""
    rootfs = configuration.get("rootfs")
    return _words(rootfs.get("diff_ids")) if isinstance(rootfs, Mapping) else ()


def platform_of(configuration: Mapping[str, Any]) -> str:
    """Return the platform an image is made for, such as ``linux/arm/v7``; empty when it does not say."""
    parts = [_word(configuration.get(key)) for key in ("os", "architecture", "variant")]
    return "/".join(part for part in parts if part) if parts[0] and parts[1] else ""


def manifest_of(config: tuple[str, int], layers: list[tuple[str, int, str]]) -> bytes:
    """Return a manifest for an image that came without one.

    Args:
        config: Digest and size of the configuration.
        layers: Digest, size and compression (empty, ``gzip``, ``zstd``…) of each layer, the lowest first.
    """
    value = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": {"mediaType": CONFIG_TYPE, "digest": config[0], "size": config[1]},
        "layers": [
            {"mediaType": f"{LAYER_TYPE}+{how}" if how else LAYER_TYPE, "digest": digest, "size": size}
            for digest, size, how in layers
        ],
    }
    return json.dumps(value, separators=(",", ":")).encode()


def manifest_digests(manifest: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    """Return the digests of the configuration and of the layers, the lowest first.

    Raises:
        ImageCorrupt: They are not there.
    """
    try:
        config: str = manifest["config"]["digest"]
        layers: tuple[str, ...] = tuple(layer["digest"] for layer in manifest["layers"])
        sound = all(is_digest(digest) for digest in (config, *layers))
    except (KeyError, TypeError):
        config, layers, sound = "", (), False
    if not sound:
        raise ImageCorrupt("the manifest of the image is damaged", hint="pull or load the image again")
    return config, layers


def _words(value: object) -> tuple[str, ...]:
    # Old images have a string where a list belongs.
    if isinstance(value, str):
        return (value,)
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()


def _word(value: object) -> str:
    return value if isinstance(value, str) else ""
