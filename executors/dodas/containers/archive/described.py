"""An image in an archive, as the archive describes it."""

from __future__ import annotations

from dodas.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedLayer:
    """One layer.

    Attributes:
        name: File in the archive.
        digest: ``sha256:…`` of the file; empty when the archive does not say.
        diff_id: ``sha256:…`` of what it decompresses to.
        size: Bytes of the file; ``None`` when the archive does not say.
    """

    name: str
    digest: str
    diff_id: str
    size: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedImage:
    """One image.

    Attributes:
        names: What the archive calls it, perhaps nothing.
        config: Its configuration, verified where the archive gives a digest.
        manifest: Its manifest, verified; empty when the archive has none.
        layers: The lowest first.
    """

    names: tuple[str, ...]
    config: bytes
    manifest: bytes
    layers: tuple[PackedLayer, ...]
