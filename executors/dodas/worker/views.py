"""What a step sees where: paths of its container and of the machine, by its mounts.  Pure."""

from __future__ import annotations

import posixpath

from dodas.step import Step


def is_below(path: str, top: str) -> bool:
    """Return whether a normalised path is ``top`` or below it."""
    return path == top or path.startswith(top.rstrip("/") + "/")


def covered(step: Step) -> frozenset[str]:
    """Return paths of the machine at which a step saw something else, which was mounted there."""
    targets = [mount.target for mount in step.mounts] + [item.target for item in step.inputs]
    found: set[str] = set()
    for target in map(posixpath.normpath, targets):
        for mount in step.mounts:
            top = posixpath.normpath(mount.target)
            if target != top and is_below(target, top):
                found.add(posixpath.normpath(mount.source + target[len(top.rstrip("/")) :]))
    return frozenset(found)


def seen(step: Step, inside: str) -> str | None:
    """Return which path of the machine a step sees as ``inside``; ``None`` for one of its image."""
    inside = posixpath.normpath(inside)
    for mount in reversed(step.mounts):  # the last one that covers a path is the one that shows
        target = posixpath.normpath(mount.target)
        if is_below(inside, target):
            return posixpath.normpath(mount.source + inside[len(target.rstrip("/")) :])
    return inside if step.image is None else None
