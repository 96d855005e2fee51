"""What a step sees of this machine, and of storage."""

from __future__ import annotations

import os
import posixpath
from dataclasses import asdict, dataclass
from typing import Any

from dodas.step import Input, Mount


@dataclass(frozen=True, slots=True, kw_only=True)
class Staged:
    """What was prepared for a step.

    Attributes:
        mounts: What its container sees of this machine.
        inputs: What is fetched from URLs where it runs.
    """

    mounts: tuple[Mount, ...] = ()
    inputs: tuple[Input, ...] = ()

    def plain(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return asdict(self)

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> Staged:
        """Return what :meth:`plain` gave."""
        return cls(
            mounts=tuple(Mount(**mount) for mount in plain["mounts"]),
            inputs=tuple(Input(**item) for item in plain["inputs"]),
        )


class Mounts:
    """Collects mounts and inputs at URLs; makes the mount points that lie in directories of the step itself.

    A file mounted below another mount needs something to be mounted on there.  Where the surrounding
    directory is one of ours (the output directory, a directory literal), it is made here, so that no engine
    has to write through a mount, and what is left afterwards has the same shape with each of them.
    """

    def __init__(self) -> None:
        self._made: list[Mount] = []
        self._inputs: list[Input] = []
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

    def bring(self, url: str, target: str, *, directory: bool, writable: bool = False) -> None:
        """Show what is at a URL, or a copy of it."""
        place = self.on_host(target)
        if place is not None and not writable:
            _mount_point(place, directory=directory)
        self._inputs.append(item(url, target, directory=directory, writable=writable))

    def on_host(self, target: str) -> str | None:
        """Return where a path of the container is on the host, if in a directory of the step itself."""
        for prefix, source in reversed(self._ours):
            if target.startswith(prefix):
                return os.path.join(source, target[len(prefix) :])
        return None

    def all(self) -> Staged:
        """Return everything, in the order in which it has to be mounted."""
        return Staged(mounts=tuple(self._made), inputs=tuple(self._inputs))


def item(url: str, target: str, *, directory: bool, writable: bool = False) -> Input:
    """Return the input that a location at a URL is."""
    return Input(source=url.rstrip("/") + "/" if directory else url, target=target, writable=writable)


def _mount_point(path: str, *, directory: bool) -> None:
    if directory:
        os.makedirs(path, exist_ok=True)
        return
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "ab"):
        pass
