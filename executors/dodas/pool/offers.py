"""What a pool may grow to, for who sends it jobs while it may have no worker at all."""

from __future__ import annotations

import json

from dodas import whole
from dodas.pool.description.model import PoolDescription
from dodas.pool.layout import Layout

_MOST = 1000  # workers of a flavour, beyond which nothing is decided otherwise


def write_offers(pool: PoolDescription, domain: str) -> None:
    """Write down which workers a pool may have, and FILESYSTEM_DOMAIN of those that see the submit side."""
    offers = [
        (one.cores, domain if one.shared_disk else f"node.{domain}")
        for one in pool.flavours
        for _ in range(min(one.maximum, _MOST))
    ]
    whole.write(Layout(pool.name).at("offers.json"), json.dumps(offers))


def read_offers(layout: Layout) -> list[tuple[int, str]]:
    """Return the processors and the FileSystemDomain of each worker that a pool may have."""
    try:
        with open(layout.at("offers.json"), encoding="utf-8") as file:
            return [(int(cores), str(files)) for cores, files in json.load(file)]
    except (OSError, ValueError, TypeError):
        return []
