"""Where the paths of the submit side are on a node that does not see them.

Each file or directory that a step mounts, and each that came along, gets a place in the sandbox; all that is
below it is below its place.
"""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterable

from dodas.step import Mount, Step
from dodas.worker.views import is_below, seen


class Places:
    """The map from paths of the submit side to those of the node, and back.

    Args:
        sources: Paths of the submit side that get a place.
        base: Directory of this node for the places; each is a number in it.
        named: Whether what is at a place has the name that it has on the submit side, below that number: for
            steps that see the names, without a container.
    """

    def __init__(self, sources: Iterable[str], base: str, *, named: bool = False) -> None:
        tops: list[str] = []
        for source in sorted({posixpath.normpath(source) for source in sources}, key=len):
            if not any(is_below(source, top) for top in tops):
                tops.append(source)
        names = [posixpath.basename(top) if named else "" for top in tops]
        self.places = {
            top: os.path.join(base, str(number), names[number]).rstrip("/") for number, top in enumerate(tops)
        }

    def here(self, path: str) -> str:
        """Return where a path of the submit side is on this node; itself if it has no place."""
        path = posixpath.normpath(path)
        for top, place in self.places.items():
            if is_below(path, top):
                return place + path[len(top.rstrip("/")) :]
        return path

    def there(self, path: str) -> str:
        """Return which path of the submit side a path of this node stands for; itself if for none."""
        for top, place in self.places.items():
            if is_below(path, place):
                return top.rstrip("/") + path[len(place) :] or "/"
        return path

    def rewritten(self, text: str) -> str:
        """Return a text in which paths of the submit side are those of this node."""
        for top, place in sorted(self.places.items(), key=lambda item: -len(item[0])):
            # The whole path or the beginning of one, not a part of a longer name.
            exactly = rf"(?<![\w./-]){re.escape(top)}(?![\w.-])"
            text = re.sub(exactly, place.replace("\\", r"\\"), text)
        return text


def is_nodes_own(mount: Mount, step: Step, brought: Iterable[str]) -> bool:
    """Return whether a mount shows this node's own files: a view in which nothing is declared."""
    source = posixpath.normpath(mount.source)
    if mount.whole or mount.writable or not os.path.exists(source):
        return False
    declared = [*brought, *(path for path in (seen(step, one.path) for one in step.outputs) if path)]
    return not any(is_below(path, source) for path in declared)
