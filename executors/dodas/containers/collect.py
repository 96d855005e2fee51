"""Removing images and prepared roots, never from under a step that runs in one."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import field
from datetime import timedelta

from dodas.containers import garbage, locks, tags
from dodas.containers.diskfaults import disk_faults
from dodas.containers.image import Image
from dodas.containers.inspection import inspect
from dodas.containers.removal import remove_tree, throw_away
from dodas.containers.store import Store, lookup
from dodas.errors import StoreError
from dodas.values import dataclass

__all__ = ["Removed", "Report", "gc", "inspect", "remove"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """One thing that was removed, or would be.

    Attributes:
        kind: ``image``, ``container``, ``layer``, ``leftover``.
        name: What it was called.
        size: Bytes of disk that it took.
    """

    kind: str
    name: str
    size: int = 0


@dataclass(slots=True)
class Report:
    """What a removal did.

    Attributes:
        removed: Everything that went.
        in_use: Containers that would have gone if no step ran in them.
    """

    removed: list[Removed] = field(default_factory=list)
    in_use: list[str] = field(default_factory=list)

    @property
    def freed(self) -> int:
        """Bytes of disk that were freed."""
        return sum(item.size for item in self.removed)


def remove(store: Store, text: str) -> Report:
    """Remove an image: by name that name only, by digest or id all its names, by container its root only.

    What nothing else needs goes with it: the prepared root, and layers.

    Raises:
        ImageNotFound: There is no such image.
        StoreError: A step runs in it, or it was protected with ``udocker protect``.
    """
    image = lookup(store, text)
    report = Report()
    with _alone(store):
        if text == image.container:
            _remove_root(store, image, report)
            return report
        same = [one for one in store.images() if one.digest == image.digest]
        going = same if _is_id(text, image) else [image]
        _check_protected(store, going)
        if len(going) == len(same):
            _remove_root(store, image, report)
        for one in going:
            store.forget(*one.filed)
            report.removed.append(Removed(kind="image", name=one.name))
        _remove_layers(store, {*image.layers, image.id}, report)
    return report


def gc(
    store: Store,
    *,
    keep_bytes: int | None = None,
    older_than: timedelta | None = None,
    dry_run: bool = False,
) -> Report:
    """Remove what nobody needs: leftovers of killed processes, layers without image, roots without image.

    Args:
        store: Where.
        keep_bytes: Of the other prepared roots, too, those longest unused, until they take no more than this.
        older_than: And those not used for so long.
        dry_run: Only say what would go.

    Raises:
        StoreError: The disk does not let us.
    """
    report = Report()
    with _alone(store):
        _collect_roots(store, keep_bytes, older_than, report, dry_run=dry_run)
        _collect_leftovers(store, report, dry_run=dry_run)
        _collect_layers(store, report, dry_run=dry_run)
    return report


@contextmanager
def _alone(store: Store) -> Iterator[None]:
    """Let one process at a time remove things: they would take each other for running steps."""
    store.layout.make()
    with disk_faults(store.root), locks.exclusive(store.layout.lock("collect")):
        yield


def _is_id(text: str, image: Image) -> bool:
    stated = f"sha256:{text.removeprefix('sha256:')}"
    return image.digest.startswith(stated) or image.id.startswith(stated)


def _check_protected(store: Store, images: Iterable[Image]) -> None:
    for image in images:
        if os.path.exists(os.path.join(store.layout.tag(*image.filed), "PROTECT")):
            raise StoreError(
                f"{image.name} is protected",
                hint=f"allow it with `udocker unprotect {':'.join(image.filed)}`",
            )


def _remove_root(store: Store, image: Image, report: Report) -> None:
    size = garbage.disk_usage(store.layout.container(image.container))
    if not size:
        return
    if os.path.exists(os.path.join(store.layout.container(image.container), "PROTECT")):
        raise StoreError(
            f"the container of {image.name} is protected",
            hint=f"allow it with `udocker unprotect {image.container}`",
        )
    if not _discard(store, image.container):
        raise StoreError(f"a step runs in {image.name}", hint="wait until it is done, or stop it")
    report.removed.append(Removed(kind="container", name=image.container, size=size))


def _discard(store: Store, container: str) -> bool:
    """Remove a prepared root; return whether nobody uses it."""
    layout = store.layout
    with locks.try_exclusive(layout.lock(container)) as mine:
        if not mine:
            return False
        # Whoever waits for the lock finds it gone; the rest takes its time.
        throw_away(layout.container(container), layout.trash)
    for name in os.listdir(layout.containers):
        path = layout.container(name)
        if os.path.islink(path) and os.readlink(path) == container:
            with suppress(FileNotFoundError):
                os.unlink(path)
    return True


def _remove_layers(store: Store, names: set[str], report: Report) -> None:
    """Remove those of some layers that no image needs any more, unless images are just being added."""
    with locks.try_exclusive(store.layout.lock("layers")) as mine:
        for name in sorted(names - garbage.needed_layers(store.layout)) if mine else ():
            _unlink(store.layout.blob(name), "layer", name, report)


def _collect_roots(
    store: Store, keep_bytes: int | None, older_than: timedelta | None, report: Report, *, dry_run: bool
) -> None:
    for container in garbage.broken_roots(store.layout):
        size = garbage.disk_usage(store.layout.container(container))
        _collect_root(store, container, size, report, dry_run=dry_run)
    roots = garbage.roots(store.layout)
    digests = {image.digest for image in store.images()}
    total = sum(root.size for root in roots)
    oldest = None if older_than is None else time.time() - older_than.total_seconds()
    for root in roots:  # the longest unused first
        too_much = keep_bytes is not None and total > keep_bytes
        too_old = oldest is not None and root.used < oldest
        if (too_much or too_old or root.digest not in digests) and _collect_root(
            store, root.container, root.size, report, dry_run=dry_run
        ):
            total -= root.size


def _collect_root(store: Store, container: str, size: int, report: Report, *, dry_run: bool) -> bool:
    free = not garbage.in_use(store.layout, container) if dry_run else _discard(store, container)
    if free:
        report.removed.append(Removed(kind="container", name=container, size=size))
    else:
        report.in_use.append(container)
    return free


def _collect_leftovers(store: Store, report: Report, *, dry_run: bool) -> None:
    layout = store.layout
    for path, key in [*garbage.stale_files(layout), *garbage.trash(layout)]:
        with locks.try_exclusive(layout.lock(key), keep=not key.startswith("blob-")) as mine:
            if mine:
                _leftover(path, report, dry_run=dry_run)
    for path in list(garbage.idle_locks(layout)):
        with locks.try_exclusive(path, keep=dry_run):
            pass
    with locks.exclusive(layout.lock("images")):
        for repository, tag in list(garbage.half_images(layout)):
            report.removed.append(Removed(kind="leftover", name=f"{repository}:{tag}"))
            if not dry_run:
                tags.remove_image(layout, repository, tag)
    for path in garbage.dangling_names(layout):
        _leftover(path, report, dry_run=dry_run)


def _leftover(path: str, report: Report, *, dry_run: bool) -> None:
    try:
        size = garbage.disk_usage(path) if os.path.isdir(path) else os.lstat(path).st_size
    except FileNotFoundError:
        return  # its maker was alive, and is done with it
    if not dry_run:
        remove_tree(path)
    report.removed.append(Removed(kind="leftover", name=os.path.basename(path), size=size))


def _collect_layers(store: Store, report: Report, *, dry_run: bool) -> None:
    with locks.try_exclusive(store.layout.lock("layers")) as mine:
        for name, size in list(garbage.useless_layers(store.layout)) if mine else ():
            if dry_run:
                report.removed.append(Removed(kind="layer", name=name, size=size))
            else:
                _unlink(store.layout.blob(name), "layer", name, report)


def _unlink(path: str, kind: str, name: str, report: Report) -> None:
    with suppress(FileNotFoundError):
        size = os.lstat(path).st_size
        os.unlink(path)
        report.removed.append(Removed(kind=kind, name=name, size=size))
