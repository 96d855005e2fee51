"""The directory of a node that jobs share: images, prepared roots, what is known of engines, the worker."""

from __future__ import annotations

import os
import stat

from dodas.node.slot import Slot


def home(slot: Slot) -> str:
    """Return the directory that jobs of this user share on this node, made; the sandbox if there is none.

    ``DODAS_NODE_CACHE``, else what the administrator says in ``DodasCache`` of the machine's ad, else
    ``/var/tmp/dodas-UID``.
    """
    own = f"dodas-{os.geteuid()}"
    named = os.environ.get("DODAS_NODE_CACHE", "")
    places = [named] if named else [os.path.join(slot.cache, own)] if slot.cache else []
    for place in (*places, f"/var/tmp/{own}"):  # noqa: S108 - checked below
        if _is_ours(place):
            return place
    return os.path.join(slot.sandbox, "cache")


def _is_ours(path: str) -> bool:
    """Return whether a directory, made if need be, belongs to this user and nobody else can write there."""
    try:
        os.makedirs(path, mode=0o700, exist_ok=True)
        status = os.lstat(path)
        ours = stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid()
        if ours and status.st_mode & 0o022:
            os.chmod(path, 0o700)
    except OSError:
        return False
    return ours and os.access(path, os.W_OK)
