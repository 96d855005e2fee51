"""What one step has on this machine of what is at URLs."""

from __future__ import annotations

import os
import posixpath
import threading
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from dodas.backends.depot import Depot
from dodas.backends.spots import Spots
from dodas.containers.removal import remove_tree
from dodas.errors import TransferError
from dodas.step import Input, Mount, Step
from dodas.worker import remote
from dodas.worker.views import is_below, seen

if TYPE_CHECKING:
    from dodas.staging.values import OnProgress


class Visit:
    """Fetched before the step starts, shown to it, gone with it.

    Args:
        step: As it was submitted.
        depot: Fetches.
        spots: Makes links and mount points.

    Attributes:
        wanted: What has to be fetched; that for standard input is last and has no target.
        over: Whether nobody needs it any more.
        silent_until: When the next word of its progress is due, for whoever says them.
    """

    def __init__(self, step: Step, depot: Depot, spots: Spots) -> None:
        url = remote.stdin(step)
        self.wanted = (*remote.inputs(step), *((Input(source=url, target=""),) if url else ()))
        self.over = False
        self.silent_until = 0.0
        self._step = step
        self._depot = depot
        self._spots = spots
        self._mutex = threading.Lock()
        self._folder = ""
        self._left = len(self.wanted)
        self._used: list[tuple[str, str]] = []

    def fetch(self, number: int, progress: OnProgress) -> bool:
        """Fetch one of those that are wanted; return whether it was the last.

        Args:
            number: Its position.
            progress: As of :meth:`Depot.bring`.

        Raises:
            DodasError: It cannot be had.
            OSError: The disk does not take it.
        """
        with self._mutex:
            self._folder = self._folder or self._depot.folder()
        item = self.wanted[number]
        if not self.over:
            os.mkdir(os.path.dirname(self._held(number)), 0o700)
            self._depot.bring(item.source, self._held(number), own=item.writable, progress=progress)
        with self._mutex:
            self._left -= 1
            return self._left == 0 and not self.over

    def shown(self) -> Step:
        """Return the step as it can be started here, when all has been fetched.

        Raises:
            TransferError: Something else is where the step wants it.
            OSError: The disk does not take it.
        """
        with self._mutex:
            return self._shown(self._step)

    def leave(self) -> None:
        """Take away what was made at places of this machine.  May be repeated."""
        with self._mutex:
            self.over = True
            used, self._used = self._used, []
            for path, held in used:
                self._spots.drop(path, held)

    def clear(self) -> None:
        """Remove what was fetched, which may take a while.  May be repeated."""
        if self._folder:
            with suppress(OSError):
                remove_tree(self._folder)

    def _shown(self, step: Step) -> Step:
        mounts: list[Mount] = []
        stdin = step.stdin
        for number, item in enumerate(self.wanted):
            held = self._held(number)
            if not item.target:
                stdin = held
            elif step.image is None:
                self._place(item, held, posixpath.normpath(item.target))
            else:
                mounts += self._mount(item, held)
        local = tuple(item for item in step.inputs if not remote.is_remote(item.source))
        return replace(step, inputs=local, mounts=(*step.mounts, *mounts), stdin=stdin)

    def _held(self, number: int) -> str:
        name = posixpath.basename(self.wanted[number].target.rstrip("/")) or "stdin"
        return os.path.join(self._folder, str(number), name)

    def _mount(self, item: Input, held: str) -> list[Mount]:
        """Return how a container sees what was fetched, after making what it is mounted on."""
        under = seen(self._step, item.target)
        if under is not None and item.writable and self._is_writable(under):
            self._place(item, held, under)
            return []
        if under is not None:
            self._spots.mount_point(under, held)
            self._used.append((under, held))
        return [Mount(source=held, target=item.target, writable=item.writable)]

    def _is_writable(self, path: str) -> bool:
        return any(
            mount.writable and is_below(path, posixpath.normpath(mount.source)) for mount in self._step.mounts
        )

    def _place(self, item: Input, held: str, path: str) -> None:
        """Have what was fetched at a path of this machine: linked, or moved there if it is the step's own."""
        if not item.writable:
            self._spots.link(path, held, item.source)
            self._used.append((path, held))
            return
        import shutil  # noqa: PLC0415 - seldom needed

        os.makedirs(os.path.dirname(path), exist_ok=True)
        with suppress(FileNotFoundError):
            os.rmdir(path) if os.path.isdir(path) else _unlink_if_empty(path)
        shutil.move(held, path)


def _unlink_if_empty(path: str) -> None:
    if os.stat(path).st_size:
        raise TransferError(f"{path} is there already, where a step wants a file of its own")
    os.unlink(path)
