"""All that is known of one image."""

from __future__ import annotations

import os
from datetime import datetime, timezone
from typing import Any

from dodas.containers import garbage, tags
from dodas.containers.image import parse_json
from dodas.containers.ready import read_ready
from dodas.containers.store import Store, lookup


def inspect(store: Store, text: str) -> dict[str, Any]:
    """Return all that is known of an image, as JSON values; times are RFC 3339, sizes bytes.

    Raises:
        ImageNotFound: There is no such image.
    """
    image = lookup(store, text)
    root = read_ready(store.layout, image.container)
    prepared = root and {
        "path": root.path,
        "size": garbage.disk_usage(os.path.dirname(root.path)),
        "used": datetime.fromtimestamp(garbage.last_used(root), timezone.utc).isoformat(timespec="seconds"),
        "in_use": garbage.in_use(store.layout, image.container),
    }
    return {
        "name": image.name,
        "names": sorted(one.name for one in store.images() if one.digest == image.digest),
        "digest": image.digest,
        "id": image.id,
        "platform": image.platform,
        "created": image.created,
        "size": image.size,
        "layers": list(image.layers),
        "container": image.container,
        "prepared": prepared,
        "configuration": parse_json(
            tags.configuration(store.layout, image), f"configuration of {image.name}"
        ),
    }
