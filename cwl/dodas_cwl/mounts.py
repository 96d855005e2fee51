"""What a container step sees of this machine."""

from __future__ import annotations

import os
import posixpath

from dodas.step import Mount


class Mounts:
    """Collects mounts, and makes the mount points that lie in directories of the step itself.

    A file mounted below another mount needs something to be mounted on there.  Where the surrounding
    directory is one of ours (the output directory, a directory literal), it is made here, so that no engine
    has to write through a mount, and what is left afterwards has the same shape with each of them.
    """

    def __init__(self) -> None:
        self._made: list[Mount] = []
        self._ours: list[tuple[str, str]] = []

    def own(self, source: str, target: str, *, writable: bool) -> None:
        """Show a directory that was made for this step alone."""
        self.add(source, target, writable=writable)
        self._ours.append((posixpath.normpath(target) + "/", source))

    def add(self, source: str, target: str, *, writable: bool = False) -> None:
        """Show a file or directory."""
        target = posixpath.normpath(target)
        place = self.on_host(target)
        if place is not None:
            _mount_point(place, directory=os.path.isdir(source))
        self._made.append(Mount(source=source, target=target, writable=writable))

    def on_host(self, target: str) -> str | None:
        """Return where a path of the container is on the host, if in a directory of the step itself."""
        for prefix, source in reversed(self._ours):
            if target.startswith(prefix):
                return os.path.join(source, target[len(prefix) :])
        return None

    def all(self) -> tuple[Mount, ...]:
        """Return the mounts, in the order in which they have to be made."""
        return tuple(self._made)


def _mount_point(path: str, *, directory: bool) -> None:
    if directory:
        os.makedirs(path, exist_ok=True)
        return
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "ab"):
        pass
