"""The mark of a prepared root, and what it says."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from typing import Any

from dodas.containers.layout import Layout
from dodas.containers.prepared import ImageConfig, PreparedRoot

MARK = "READY"
# Raised when the same layers would be unpacked differently: what was prepared before is made anew then.
_VERSION = 1


def mark_ready(layout: Layout, directory: str, root: PreparedRoot) -> None:
    """Write the mark into a container that is complete but not yet in its final place."""
    content = {
        "version": _VERSION,
        "digest": root.digest,
        "config": asdict(root.config),
        "mtime": os.stat(os.path.join(directory, "ROOT")).st_mtime_ns,
    }
    with open(os.path.join(directory, MARK), "x", encoding="utf-8") as file:
        json.dump(content, file)


def read_ready(layout: Layout, uuid: str) -> PreparedRoot | None:
    """Return the prepared root in the container ``uuid``; ``None`` if it is not there, or not as it was left.

    That somebody has changed it deep inside is not noticed, nor need it be: steps cannot, and whoever runs
    ``udocker run UUID`` sees the name of the container.
    """
    directory = layout.container(uuid)
    try:
        with open(os.path.join(directory, MARK), "rb") as file:
            content = json.load(file)
        if content["version"] != _VERSION or content["mtime"] != _mtime(directory):
            return None
        return PreparedRoot(
            path=os.path.join(directory, "ROOT"),
            digest=content["digest"],
            container=uuid,
            lock=layout.lock(uuid),
            config=_config(content["config"]),
        )
    except (OSError, ValueError, LookupError, TypeError):
        return None


def signature(layout: Layout, uuid: str, tag: str) -> tuple[int, ...]:
    """Return numbers that change when the container or the meaning of the tag's directory does.

    Raises:
        OSError: One of them is gone.
    """
    directory = layout.container(uuid)
    mark = os.stat(f"{directory}/{MARK}")
    manifest = os.stat(f"{tag}/TAG")
    return (mark.st_ino, mark.st_mtime_ns, _mtime(directory), manifest.st_ino, manifest.st_mtime_ns)


def _mtime(directory: str) -> int:
    return os.stat(f"{directory}/ROOT").st_mtime_ns


def _config(plain: dict[str, Any]) -> ImageConfig:
    return ImageConfig(
        env=tuple((name, value) for name, value in plain["env"]),
        entrypoint=tuple(plain["entrypoint"]),
        cmd=tuple(plain["cmd"]),
        workdir=plain["workdir"],
        user=plain["user"],
    )
