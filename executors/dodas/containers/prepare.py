"""An image becomes a root file system for steps: once per digest and store, however many ask at once."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from typing import Literal, Protocol

from dodas.containers import locks, ready, tags
from dodas.containers.diskfaults import disk_faults
from dodas.containers.image import Image, parse_json
from dodas.containers.layer import Layer, LayerCorrupt, LayerGone
from dodas.containers.memory import Remembered
from dodas.containers.prepared import PreparedRoot
from dodas.containers.progress import OnProgress, Progress, ignore
from dodas.containers.reference import Reference, is_digest
from dodas.containers.removal import remove_tree, set_aside, throw_away
from dodas.containers.store import Store, lookup
from dodas.errors import ImageCorrupt, ImageNotFound, SpecError, StoreError

Pull = Literal["missing", "never", "always"]


class Bring(Protocol):
    """Brings an image that is missing into a store."""

    def __call__(
        self, store: Store, reference: Reference, *, platform: str | None, progress: OnProgress
    ) -> Image:
        """Return the image; errors are those of `dodas.containers.registry.pull.pull`."""


_TOUCH_EVERY = 60.0  # seconds; the collector needs no finer notion of "last used"


def prepare(
    store: Store,
    name: str,
    *,
    pull: Pull = "missing",
    platform: str | None = None,
    progress: OnProgress = ignore,
    bring: Bring | None = None,
) -> PreparedRoot:
    """Return the prepared root of an image; pull and unpack it first if need be.

    When it is ready this takes some microseconds, so that every step may ask.  Hold ``using`` around work in
    the root, or a shared ``flock`` on its ``lock``.

    Args:
        store: Where images are.
        name: Name, digest or id, or the beginning of one.
        pull: Whether to ask the registry: if the image is ``missing``, ``never``, or ``always``.
        platform: ``linux/arm64`` and the like; ``None`` for this machine's, or what is in the store.
        progress: Told about waiting, pulling and unpacking.
        bring: Used where the registry would be asked; default: ask it.

    Raises:
        ImageNotFound: There is no such image, here or at the registry.
        ImageCorrupt: Its layers are damaged; they are removed, so that pulling or loading it mends it.
        StoreError: The disk does not take it.
        SpecError: ``name`` is not the name of an image.
    """
    if pull != "always" and (root := _remembered(store, name, platform)) is not None:
        return root
    pulled = partial(_pulled, store, name, platform, progress, bring or _from_registry)
    image = _found(store, name, pull, platform, pulled)
    try:
        root = root_of(store, image, progress=progress)
    except LayerCorrupt as error:
        if pull != "never" and _names_something(name):
            again = pulled()
        elif isinstance(error, LayerGone):
            # Somebody removes the image: then it is not found now, or has been brought again.
            image = again = _found(store, name, "never", platform, pulled)
        else:
            raise
        root = root_of(store, again, progress=progress)
    _remember(store, name, platform, image, root)
    return root


@contextmanager
def using(
    store: Store,
    name: str,
    *,
    pull: Pull = "missing",
    platform: str | None = None,
    progress: OnProgress = ignore,
    bring: Bring | None = None,
) -> Iterator[PreparedRoot]:
    """Hold the prepared root of an image: nobody removes it meanwhile.  Arguments are those of `prepare`."""
    while True:
        root = prepare(store, name, pull=pull, platform=platform, progress=progress, bring=bring)
        with ExitStack() as stack:
            with disk_faults(store.root):
                stack.enter_context(locks.shared(root.lock))
            # It may have been collected between the two.
            if ready.read_ready(store.layout, root.container) == root:
                yield root
                return


def root_of(store: Store, image: Image, *, progress: OnProgress = ignore) -> PreparedRoot:
    """Return the prepared root of an image in the store; errors are those of `prepare`."""
    container = image.container
    root = ready.read_ready(store.layout, container)
    if root is not None:
        if not os.path.exists(root.lock):
            with suppress(StoreError):  # a copied store, perhaps one that is not ours
                store.layout.make()
        _touch(root)
        return root
    store.layout.make()

    def waiting() -> None:
        progress(Progress(what=f"waiting for another process that unpacks {image.name}", done=0))

    # Not the lock that users of the root hold: some may be in what is left of a damaged one.
    with disk_faults(store.root), locks.exclusive(store.layout.lock(f"make-{container}"), on_wait=waiting):
        root = ready.read_ready(store.layout, container)
        return root if root is not None else _make(store, image, container, progress)


def _make(store: Store, image: Image, container: str, progress: OnProgress) -> PreparedRoot:
    layout = store.layout
    layout.sweep(f"make-{container}")
    _set_aside(store, container)
    fresh = layout.temporary(f"make-{container}")
    root = PreparedRoot(
        path=os.path.join(layout.container(container), "ROOT"),
        digest=image.digest,
        container=container,
        lock=layout.lock(container),
        config=image.config,
    )
    try:
        os.makedirs(os.path.join(fresh, "ROOT"))
        _unpack(store, image, os.path.join(fresh, "ROOT"), progress)
        _make_container(store, image, fresh)
        ready.mark_ready(layout, fresh, root)
        os.rename(fresh, layout.container(container))
    except BaseException:
        throw_away(fresh, layout.trash)
        raise
    _touch(root)
    _give_name(store, image, container)
    return root


def _set_aside(store: Store, container: str) -> None:
    """Take a damaged root away; the collector removes it when the last step that runs in it is done."""
    layout = store.layout
    damaged = set_aside(layout.container(container), layout.trash)
    with locks.try_exclusive(layout.lock(container)) as unused:
        if unused:
            remove_tree(damaged)


def _unpack(store: Store, image: Image, directory: str, progress: OnProgress) -> None:
    from dodas.containers.layers import unpack  # noqa: PLC0415 - not needed by most runs

    if image.diff_ids and len(image.diff_ids) != len(image.layers):
        problem = f"{image.name} has {len(image.layers)} layers and {len(image.diff_ids)} digests of them"
        raise ImageCorrupt(problem, hint="build the image again")
    ids = image.diff_ids or ("",) * len(image.layers)
    layers = [
        Layer(path=store.layout.blob(name), digest=name if is_digest(name) else "", diff_id=diff_id)
        for name, diff_id in zip(image.layers, ids)  # noqa: B905 - of equal length; nodes may have 3.9
    ]
    try:
        unpack(layers, directory, what=image.name, progress=progress)
    except LayerCorrupt as error:
        with suppress(FileNotFoundError):
            os.unlink(error.layer.path)
        raise


def _make_container(store: Store, image: Image, directory: str) -> None:
    """Write what makes a directory a container of udocker's."""
    configuration = parse_json(tags.configuration(store.layout, image), f"configuration of {image.name}")
    if "container_config" not in configuration:
        configuration.setdefault("config", {})  # udocker cannot do without
    with open(os.path.join(directory, "container.json"), "x", encoding="utf-8") as file:
        json.dump(configuration, file)
    with open(os.path.join(directory, "imagerepo.name"), "x", encoding="utf-8") as file:
        file.write(":".join(image.filed))
    os.mkdir(os.path.join(directory, ".mountpoints"))


def _give_name(store: Store, image: Image, container: str) -> None:
    """Make people recognise the container.

    Not by the image's own name: `udocker run NAME` would then run, and change, the root that steps share.
    """
    readable = re.sub(r"[^A-Za-z0-9_-]+", "_", image.name)[:80]
    with suppress(OSError):
        os.symlink(container, os.path.join(store.layout.containers, f"dodas-{readable}-{container[:8]}"))


def _found(store: Store, name: str, pull: Pull, platform: str | None, pulled: Callable[[], Image]) -> Image:
    if pull == "always" and _names_something(name):
        return pulled()
    try:
        image = lookup(store, name)
    except ImageNotFound:
        if pull == "never" or not _names_something(name):
            raise
        return pulled()
    if platform is None or _is_for(image, platform):
        return image
    if pull == "never":
        raise ImageNotFound(
            f"{name} in {store.root} is for {image.platform}, not for {platform}",
            hint=f"pull it with `dodas image pull --platform {platform} {name}`",
        )
    return pulled()


def _pulled(store: Store, name: str, platform: str | None, progress: OnProgress, bring: Bring) -> Image:
    return bring(store, Reference.parse(name), platform=platform, progress=progress)


def _from_registry(
    store: Store, reference: Reference, *, platform: str | None, progress: OnProgress
) -> Image:
    from dodas.containers.registry.pull import pull as pull_image  # noqa: PLC0415 - needs requests

    return pull_image(store, reference, platform=platform, progress=progress)


def _names_something(name: str) -> bool:
    """Return whether ``name`` may be asked for at a registry: it is no bare digest or id."""
    if is_digest(name):
        return False
    try:
        Reference.parse(name)
    except SpecError:
        return False
    return True


def _is_for(image: Image, platform: str) -> bool:
    from dodas.containers.registry.platforms import Platform  # noqa: PLC0415

    return not image.platform or Platform.parse(image.platform) == Platform.parse(platform)


def _remembered(store: Store, name: str, platform: str | None) -> PreparedRoot | None:
    known = store.remembered.get((name, platform))
    if known is None:
        return None
    try:
        if ready.signature(store.layout, known.root.container, known.tag) != known.signature:
            return None
    except OSError:
        return None
    if time.monotonic() - known.touched > _TOUCH_EVERY:
        _touch(known.root)
        known.touched = time.monotonic()
    return known.root


def _remember(store: Store, name: str, platform: str | None, image: Image, root: PreparedRoot) -> None:
    tag = store.layout.tag(*image.filed)
    with suppress(OSError):
        numbers = ready.signature(store.layout, root.container, tag)
        store.remembered[name, platform] = Remembered(root, tag, numbers, time.monotonic())


def _touch(root: PreparedRoot) -> None:
    """Note that the root was used now: the time of its lock, which a store of somebody else's may refuse."""
    with suppress(OSError), open(root.lock, "ab"):
        os.utime(root.lock)
