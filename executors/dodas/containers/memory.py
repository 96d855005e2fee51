"""What a store remembers between two questions for the same image."""

from __future__ import annotations

from dodas.containers.prepared import PreparedRoot
from dodas.values import dataclass


@dataclass(slots=True)
class Remembered:
    """A prepared root, and how to see that it is still the right one.

    Attributes:
        root: The prepared root.
        tag: Directory of the image in the store.
        signature: What `dodas.containers.ready.signature` said.
        touched: When its use was last noted, ``time.monotonic()``.
    """

    root: PreparedRoot
    tag: str
    signature: tuple[int, ...]
    touched: float
