"""Directories that hold files of the cache for steps, so that making room there takes none of them away."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from itertools import count

from dodas.containers.removal import remove_tree

_LOCK = ".lock"


class Holds:
    """A directory of this process alone, on the disk of the cache; made when it is first needed.

    A lock in it is held while the process lives.  Who finds the lock free has found what a killed one left.

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
            _sweep(self._base)
            path = os.path.join(self._base, os.urandom(8).hex())
            os.mkdir(path, 0o700)
            self._path, self._lock = path, _hold(path)
        path = os.path.join(self._path, str(next(self._numbers)))
        os.mkdir(path, 0o700)
        return path

    def close(self) -> None:
        """Let go of all.  May be repeated."""
        if self._lock >= 0:
            remove_tree(self._path)
            os.close(self._lock)
            self._path, self._lock = "", -1


def _hold(path: str) -> int:
    # Locked before it has its name: nobody can find it free in between.
    unnamed = os.path.join(path, _LOCK + ".new")
    lock = os.open(unnamed, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    os.rename(unnamed, os.path.join(path, _LOCK))
    return lock


def _sweep(base: str) -> None:
    with suppress(OSError):
        for entry in list(os.scandir(base)):
            with suppress(OSError):
                _remove_if_orphan(entry.path)


def _remove_if_orphan(path: str) -> None:
    lock = os.open(os.path.join(path, _LOCK), os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        remove_tree(path)
    finally:
        os.close(lock)
