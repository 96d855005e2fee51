"""An image from a registry into the store."""

from __future__ import annotations

import json
import os
import queue
import threading
from collections.abc import Callable, Sequence
from typing import Protocol

from dodas.containers.image import Image
from dodas.containers.progress import OnProgress, ignore, one_at_a_time
from dodas.containers.reference import Reference
from dodas.containers.registry.endpoints import Surroundings
from dodas.containers.registry.manifests import Descriptor, Manifest, damaged, not_for
from dodas.containers.registry.patience import Patience
from dodas.containers.registry.platforms import Platform
from dodas.containers.registry.resolve import resolve
from dodas.containers.registry.transfer import Courier
from dodas.containers.registry.wire import Wire
from dodas.containers.store import Store

_AT_ONCE = 4  # blobs; more rarely make one image faster, and registries count connections
_LARGEST_CONFIG = 16 << 20  # bytes; it is read into memory


class Carrier(Protocol):
    """What brings blobs into a store; usable from several threads."""

    def bring(self, blob: Descriptor) -> None:
        """Have ``blob`` in the store."""

    def stop(self) -> None:
        """End all transfers soon."""


def pull(
    store: Store,
    reference: Reference,
    *,
    platform: str | None = None,
    progress: OnProgress = ignore,
    patience: Patience | None = None,
) -> Image:
    """Bring an image into the store, of its layers only those that are not there yet.

    Several processes may pull the same image at once: each layer is transferred by one of them.

    Args:
        store: Where to.
        reference: Which image.
        platform: ``linux/arm64``; ``None`` is what this machine runs.
        progress: Told the bytes of each layer; called from one thread at a time.
        patience: How long to wait for servers, how often to try.

    Returns:
        The image as it is filed now.

    Raises:
        ImageNotFound: No such name, tag, digest, or not for the platform.
        ImageNotAllowed: The registry wants another login.
        ImageCorrupt: Bytes differ from their digest, from every server that was asked.
        RegistryUnreachable: A server did not answer, or not sensibly.
        SpecError: The platform, a file of credentials or an environment variable cannot be read.
        StoreError: The store cannot be written to.
    """
    wanted = Platform.wanted(platform)
    patience = patience or Patience()
    with Wire(Surroundings(os.environ), patience) as wire, store.adding():
        found = resolve(wire, reference, wanted)

        def courier(tell: OnProgress) -> Courier:
            return Courier(store, found.sources, patience=patience, progress=tell)

        return take(store, reference, found.manifest, wanted, carrier=courier, progress=progress)


def take(
    store: Store,
    reference: Reference,
    manifest: Manifest,
    wanted: tuple[Platform, ...],
    *,
    carrier: Callable[[OnProgress], Carrier],
    progress: OnProgress = ignore,
) -> Image:
    """Bring all that an image consists of and file it, within `Store.adding`.

    Args:
        store: Where to.
        reference: What to call it.
        manifest: What it consists of.
        wanted: Platforms of which it must be for one.
        carrier: Makes what brings its blobs, and tells how far they are from several threads.
        progress: Told the bytes of each layer; called from one thread at a time.

    Raises:
        ImageNotFound: It is for another platform.
        ImageError: What the carrier said; or it is damaged.
        StoreError: The store cannot be written to.
    """
    config = _config(store, carrier(ignore), manifest, reference)
    _check_platform(config, wanted, reference)
    _bring_all(carrier(one_at_a_time(progress)), [blob for blob in manifest.blobs if blob != manifest.config])
    layers = [layer.digest for layer in manifest.layers]
    return store.add_image(reference, config, manifest.content, layers, manifest.digest)


def _config(store: Store, courier: Carrier, manifest: Manifest, reference: Reference) -> bytes:
    if manifest.config.size > _LARGEST_CONFIG:
        raise damaged(str(reference))
    courier.bring(manifest.config)
    with open(store.layout.blob(manifest.config.digest), "rb") as file:
        return file.read()


def _check_platform(config: bytes, wanted: tuple[Platform, ...], reference: Reference) -> None:
    """Refuse an image for another machine: its programs would fail with "Exec format error"."""
    try:
        named = json.loads(config)
        offered = Platform(
            os=named.get("os") or "linux",
            architecture=named.get("architecture") or wanted[0].architecture,
            variant=named.get("variant") or "",
        )
    except (ValueError, AttributeError, RecursionError):
        raise damaged(str(reference)) from None
    # Only an index tells variants reliably; many configurations leave them out.
    if (offered.os, offered.architecture) not in {(one.os, one.architecture) for one in wanted}:
        raise not_for(str(reference), wanted[0], [offered])


def _bring_all(courier: Carrier, blobs: Sequence[Descriptor]) -> None:
    """Bring several blobs at once; the first failure ends all."""
    todo: queue.SimpleQueue[Descriptor] = queue.SimpleQueue()
    done: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()
    for blob in blobs:
        todo.put(blob)
    for _ in range(min(_AT_ONCE, len(blobs))):
        # Daemons: after a failure or Ctrl-C nobody waits until a silent server's time is up.
        threading.Thread(target=_work, args=(courier, todo, done), daemon=True).start()
    try:
        for _ in blobs:
            failure = done.get()
            if failure is not None:
                raise failure
    finally:
        courier.stop()


def _work(
    courier: Carrier,
    todo: queue.SimpleQueue[Descriptor],
    done: queue.SimpleQueue[BaseException | None],
) -> None:
    while True:
        try:
            courier.bring(todo.get_nowait())
        except queue.Empty:
            return
        except BaseException as error:
            done.put(error)
            return
        done.put(None)
