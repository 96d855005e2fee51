"""Directories that hold files of the cache for steps, so that making room there takes none of them away."""

from __future__ import annotations

import os
from contextlib import suppress
from itertools import count

from dodas.containers.removal import remove_tree
from dodas.worker import scratch


class Holds:
    """A directory of this process alone, on the disk of the cache; made when it is first needed.

    What a killed process left is removed, as :mod:`dodas.worker.scratch` says.

    Args:
        base: Directory for the directories of all processes.
    """

    def __init__(self, base: str) -> None:
        self._base = base
        self._path = ""
        self._lock = -1
        self._numbers = count()

    def folder(self) -> str:
        """Return a new directory.

        Raises:
            OSError: The disk does not take it.
        """
        if not self._path:
            os.makedirs(self._base, mode=0o700, exist_ok=True)
            with suppress(OSError):  # it will be tried again the next time
                scratch.sweep(self._base)
            self._path, self._lock = scratch.claim(self._base)
        path = os.path.join(self._path, str(next(self._numbers)))
        os.mkdir(path, 0o700)
        return path

    def close(self) -> None:
        """Let go of all.  May be repeated."""
        if self._lock >= 0:
            remove_tree(self._path)
            os.close(self._lock)
            self._path, self._lock = "", -1
