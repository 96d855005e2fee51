"""A layer of an image as it lies in the store."""

from __future__ import annotations

import os

from dodas.errors import ImageCorrupt
from dodas.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One layer as it lies in the store.

    Attributes:
        path: The file, compressed or not.
        digest: ``sha256:…`` of the file; empty when not known.
        diff_id: ``sha256:…`` of what it decompresses to; empty when not known.
    """

    path: str
    digest: str = ""
    diff_id: str = ""


class LayerCorrupt(ImageCorrupt):
    """A layer in the store is damaged; ``layer`` says which."""

    def __init__(self, layer: Layer, fault: str) -> None:
        name = os.path.basename(layer.path)
        super().__init__(f"the layer {name} is damaged: {fault}", hint="pull or load the image again")
        self.layer = layer


class LayerGone(LayerCorrupt):
    """A layer is not there, perhaps because another process removes its image at this moment."""
