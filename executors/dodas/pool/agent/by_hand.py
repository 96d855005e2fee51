"""How many workers there may be of each flavour, where that was set by hand."""

from __future__ import annotations

import json
from dataclasses import replace

from dodas import whole
from dodas.pool.description.model import Flavour, PoolDescription
from dodas.pool.layout import Layout


class ByHand:
    """What was set by hand for one pool."""

    def __init__(self, pool: str) -> None:
        self._path = Layout(pool).at("limits.json")

    def set(self, flavour: str, least: int | None, most: int | None) -> None:
        """Set the limits of a flavour; no ``most``: those of the file hold again."""
        limits = self._read()
        limits.pop(flavour, None)
        if most is not None:
            limits[flavour] = [least, most]
        whole.write(self._path, json.dumps(limits))

    def has(self, flavour: str) -> bool:
        """Return whether limits were set for a flavour."""
        return flavour in self._read()

    def applied(self, pool: PoolDescription) -> PoolDescription:
        """Return the description with the limits that hold."""
        limits = self._read()
        return replace(pool, flavours=tuple(_limited(one, limits.get(one.name)) for one in pool.flavours))

    def _read(self) -> dict[str, list[int | None]]:
        try:
            with open(self._path, encoding="utf-8") as file:
                return dict(json.load(file))
        except (OSError, ValueError, TypeError):
            return {}


def _limited(flavour: Flavour, limits: list[int | None] | None) -> Flavour:
    if limits is None:
        return flavour
    least, most = limits
    maximum = flavour.maximum if most is None else most
    return replace(
        flavour, minimum=min(flavour.minimum if least is None else least, maximum), maximum=maximum
    )
