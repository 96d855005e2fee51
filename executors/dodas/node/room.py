"""Making room in the image store of a node, which many jobs share."""

from __future__ import annotations

import os
from contextlib import suppress

from dodas.containers import collect, garbage, ready
from dodas.containers.image import Image
from dodas.containers.store import Store
from dodas.errors import DodasError


def keep_within(store: Store, limit: int) -> None:
    """Remove images until all take no more than ``limit`` bytes: the longest unused first, none in use."""
    used = _used(store)
    if used <= limit:
        return
    for image in sorted(store.images(), key=lambda image: _last_used(store, image)):
        with suppress(DodasError):  # in use, protected, or removed by somebody else
            used -= collect.remove(store, image.name).freed
        if used <= limit:
            return


def half_of_the_disk(store: Store) -> int:
    """Return half of the bytes that images take and could still take."""
    store.layout.make()
    status = os.statvfs(store.root)
    return (_used(store) + status.f_bavail * status.f_frsize) // 2


def _used(store: Store) -> int:
    return garbage.disk_usage(store.layout.layers) + garbage.disk_usage(store.layout.containers)


def _last_used(store: Store, image: Image) -> float:
    root = ready.read_ready(store.layout, image.container)
    with suppress(OSError):
        tag = os.stat(os.path.join(store.layout.tag(*image.filed), "TAG")).st_mtime
        return tag if root is None else max(tag, garbage.last_used(root))
    return 0.0
