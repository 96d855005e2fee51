"""What an order says of an image."""

from __future__ import annotations

from typing import Any

from dodas.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFile:
    """A layer.

    Attributes:
        digest: ``sha256:…`` of the file.
        size: Its bytes.
        path: Where it is on the submit side.
        blob: Its name among the job's inputs; empty when it was not sent along.
    """

    digest: str
    size: int
    path: str
    blob: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSource:
    """An image in the store of the submit side.

    Attributes:
        name: Under which it is filed on nodes: with its digest, so that it means the same for ever.
        digest: ``sha256:…`` that is the image.
        manifest: Its manifest, text.
        config: Its configuration, text.
        layers: Its layers, the lowest first.
    """

    name: str
    digest: str
    manifest: str
    config: str
    layers: tuple[ImageFile, ...]

    @property
    def size(self) -> int:
        """Bytes of all layers."""
        return sum({layer.digest: layer.size for layer in self.layers}.values())

    def plain(self) -> dict[str, Any]:
        """Return it as JSON values."""
        layers = [[one.digest, one.size, one.path, one.blob] for one in self.layers]
        texts = {name: getattr(self, name) for name in ("name", "digest", "manifest", "config")}
        return {**texts, "layers": layers}

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> ImageSource:
        """Return what :meth:`plain` gave."""
        layers = tuple(
            ImageFile(digest=digest, size=size, path=path, blob=blob)
            for digest, size, path, blob in plain["layers"]
        )
        return cls(**{**plain, "layers": layers})
