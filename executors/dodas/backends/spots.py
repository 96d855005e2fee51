"""Places of this machine where steps expect what was fetched, made for as long as some step needs them."""

from __future__ import annotations

import os
import threading
from contextlib import suppress

from dodas.errors import TransferError
from dodas.values import dataclass


@dataclass(slots=True)
class _Spot:
    """Who needs it."""

    url: str
    held: list[str]


class Spots:
    """Links and mount points; several steps may need the same at once."""

    def __init__(self) -> None:
        self._spots: dict[str, _Spot] = {}
        self._directories: set[str] = set()  # that were made to have something in them
        self._mutex = threading.Lock()

    def link(self, path: str, held: str, url: str) -> None:
        """Have a symbolic link at ``path`` to what a step holds of a URL.

        Raises:
            TransferError: Something else is there.
            OSError: The link cannot be made.
        """
        with self._mutex:
            spot = self._spots.get(path)
            if spot is None:
                self._make_parents(path)
                try:
                    os.symlink(held, path)
                except FileExistsError:
                    raise TransferError(
                        f"{path} is there already, where a step wants what is at {_words(url)}",
                        hint="remove it, or let the step look elsewhere",
                    ) from None
                self._spots[path] = _Spot(url, [held])
            elif spot.url == url:
                spot.held.append(held)
            else:
                raise TransferError(f"two steps at once want different files as {path}")

    def mount_point(self, path: str, held: str) -> None:
        """Have something at ``path`` that can be mounted on, of the kind of ``held``.

        Raises:
            OSError: There can be nothing.
        """
        with self._mutex:
            spot = self._spots.get(path)
            if spot is not None:
                spot.held.append(held)
            elif not os.path.lexists(path):
                self._make_parents(path)
                if os.path.isdir(held):
                    os.mkdir(path)
                else:
                    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644))
                self._spots[path] = _Spot("", [held])

    def drop(self, path: str, held: str) -> None:
        """Say that a step needs it no more; what nobody needs goes, unless it was made something else."""
        with self._mutex:
            spot = self._spots.get(path)
            if spot is None or held not in spot.held:
                return
            spot.held.remove(held)
            with suppress(OSError):
                if spot.held:
                    _point(path, held, spot.held[-1])
                else:
                    _remove(path)
            if not spot.held:
                del self._spots[path]
                self._remove_parents(path)

    def _make_parents(self, path: str) -> None:
        missing: list[str] = []
        parent = os.path.dirname(path)
        while not os.path.isdir(parent):
            missing.append(parent)
            parent = os.path.dirname(parent)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        self._directories.update(missing)

    def _remove_parents(self, path: str) -> None:
        parent = os.path.dirname(path)
        with suppress(OSError):  # something is in it
            while parent in self._directories:
                os.rmdir(parent)
                self._directories.discard(parent)
                parent = os.path.dirname(parent)


def _point(path: str, before: str, now: str) -> None:
    """Let a link to ``before`` lead to ``now``, at no time to nothing."""
    if os.path.islink(path) and os.readlink(path) == before:
        part = f"{path}.{os.urandom(8).hex()}"
        os.symlink(now, part)
        os.replace(part, path)


def _remove(path: str) -> None:
    if os.path.islink(path):
        os.unlink(path)
    elif os.path.isdir(path):
        os.rmdir(path)
    elif os.stat(path).st_size == 0:
        os.unlink(path)


def _words(url: str) -> str:
    from dodas.staging.urls import redacted  # noqa: PLC0415 - seldom needed

    return redacted(url)
