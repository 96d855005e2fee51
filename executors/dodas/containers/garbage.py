"""What in a store nobody needs: found here, removed by `dodas.containers.collect`."""

from __future__ import annotations

import os
import re
import stat
import time
from collections.abc import Iterator
from contextlib import suppress

from dodas.containers import locks, ready, tags
from dodas.containers.layout import Layout
from dodas.containers.prepared import PreparedRoot
from dodas.values import dataclass

_LOCK = re.compile(r"(?:make-)?([0-9a-f]{8}-[0-9a-f-]{27})\.lock")
# udocker, which takes no locks, links a blob to its image only when it has fetched it.
_YOUNG = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Root:
    """A prepared root in the store.

    Attributes:
        container: Id of its container.
        digest: Of its image.
        used: When it was used last, seconds since 1970.
        size: Bytes of disk.
    """

    container: str
    digest: str
    used: float
    size: int


def roots(layout: Layout) -> list[Root]:
    """Return the prepared roots that may be removed when nobody uses them, the longest unused first."""
    found = []
    for uuid in _ours(layout):
        prepared = ready.read_ready(layout, uuid)
        if prepared is not None:
            size = disk_usage(layout.container(uuid))
            found.append(Root(container=uuid, digest=prepared.digest, used=last_used(prepared), size=size))
    return sorted(found, key=lambda root: root.used)


def broken_roots(layout: Layout) -> list[str]:
    """Return the containers that were prepared once but have been changed since."""
    return [uuid for uuid in _ours(layout) if ready.read_ready(layout, uuid) is None]


def _ours(layout: Layout) -> Iterator[str]:
    """Yield the containers that dodas has made and nobody has protected."""
    for uuid in _names(layout.containers):
        path = layout.container(uuid)
        marked = os.path.exists(os.path.join(path, ready.MARK))
        if marked and not os.path.islink(path) and not os.path.exists(os.path.join(path, "PROTECT")):
            yield uuid


def last_used(root: PreparedRoot) -> float:
    """Return when a prepared root was used last, seconds since 1970."""
    try:
        return os.stat(root.lock).st_mtime
    except OSError:
        return os.stat(os.path.dirname(root.path)).st_mtime


def needed_layers(layout: Layout) -> set[str]:
    """Return the names of the files in ``layers`` that images link to."""
    return {name for image in tags.all_images(layout) for name in tags.links(layout, *image)}


def useless_layers(layout: Layout, *, now: float | None = None) -> Iterator[tuple[str, int]]:
    """Yield name and size of layers that no image needs and that nobody is about to need."""
    needed = needed_layers(layout)
    before = (time.time() if now is None else now) - _YOUNG
    for name in _names(layout.layers):
        with suppress(FileNotFoundError):
            status = os.lstat(layout.blob(name))
            if name not in needed and status.st_mtime < before:
                yield name, status.st_size


def half_images(layout: Layout) -> Iterator[tuple[str, str]]:
    """Yield repository and tag of images whose maker died; the caller holds the lock of the images."""
    for directory, _, files in os.walk(layout.repos):
        if "TAG" not in files and {"manifest", "v1", "v2"} & set(files):
            repository, tag = os.path.split(os.path.relpath(directory, layout.repos))
            yield repository, tag


def dangling_names(layout: Layout) -> Iterator[str]:
    """Yield the names that dodas gave to containers that are gone."""
    for name in _names(layout.containers):
        path = layout.container(name)
        if name.startswith("dodas-") and os.path.islink(path) and not os.path.exists(path):
            yield path


def stale_files(layout: Layout) -> Iterator[tuple[str, str]]:
    """Yield path and lock key of what is in the making; it is stale if the lock can be had."""
    for name in _names(layout.tmp):
        yield os.path.join(layout.tmp, name), name.rpartition(".")[0]


def trash(layout: Layout) -> Iterator[tuple[str, str]]:
    """Yield path and lock key of what is on its way out; it may be in use as long as the lock is held."""
    for name in _names(layout.trash):
        yield os.path.join(layout.trash, name), name.partition(".")[0]


def idle_locks(layout: Layout) -> Iterator[str]:
    """Yield the locks of containers that are gone."""
    for name in _names(layout.locks):
        container = _LOCK.fullmatch(name)
        if container and not os.path.exists(layout.container(container[1])):
            yield os.path.join(layout.locks, name)


def in_use(layout: Layout, container: str) -> bool:
    """Return whether a step runs in a prepared root."""
    return locks.is_held(layout.lock(container))


def disk_usage(path: str) -> int:
    """Return the bytes of disk that all below ``path`` takes, files of several names once."""
    seen: set[int] = set()
    total = 0
    pending = [path]
    while pending:
        # What others remove meanwhile takes nothing.
        with suppress(OSError), os.scandir(pending.pop()) as entries:
            for entry in entries:
                status = entry.stat(follow_symlinks=False)
                if stat.S_ISDIR(status.st_mode):
                    pending.append(entry.path)
                if status.st_nlink == 1 or status.st_ino not in seen:
                    seen.add(status.st_ino)
                    total += status.st_blocks * 512
    return total


def _names(directory: str) -> list[str]:
    try:
        return sorted(os.listdir(directory))
    except FileNotFoundError:
        return []
