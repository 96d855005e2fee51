"""Where a node gets its images: its own store first, then whoever has them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

from dodas.containers import ready
from dodas.containers.prepare import Bring, Pull, using
from dodas.containers.prepared import PreparedRoot
from dodas.containers.progress import OnProgress
from dodas.containers.reference import Reference
from dodas.containers.store import Store
from dodas.errors import (
    EngineError,
    ImageCorrupt,
    ImageError,
    ImageNotFound,
    RegistryUnreachable,
    SpecError,
    StoreError,
    TransferError,
)
from dodas.node.sources import ImageFile, ImageSource

_ATTEMPTS = 3
_PIECE = 1 << 20
_UNPACKED = 4  # times the size of its layers, about what an image takes with its prepared root
# What another node may do better.
_OF_THE_NODE = (EngineError, RegistryUnreachable, StoreError, TransferError, ImageCorrupt)


class Supply:
    """Prepares images for the steps of one job.

    Attributes:
        trouble: Why this node could not, a sentence; empty while it can.

    Args:
        store: Directory of the image store.
        sources: Where images are, by the name that steps use.
        pull: When to ask a registry for others.
        chirp: File that says how to reach the submit side; empty when that is not to be asked.
        blobs: Directory with what came along with the job.
        bound: What images may take in the store, bytes; ``None`` is half of what is free for them.
        own: Whether the store is the node's own, where room may be made for new images.
        bring: Brings what must come from a registry, or from storage that stands for all of them.
    """

    def __init__(
        self,
        store: str,
        sources: Mapping[str, ImageSource | None],
        *,
        pull: Pull,
        chirp: str,
        blobs: str,
        bound: int | None,
        own: bool,
        bring: Bring,
    ) -> None:
        self.trouble = ""
        self._place = store
        self._opened: Store | None = None
        self._sources = sources
        self._pull = pull
        self._chirp = chirp
        self._blobs = blobs
        self._bound = bound
        self._own = own
        self._bring = bring

    @contextmanager
    def __call__(self, name: str, progress: OnProgress) -> Iterator[PreparedRoot]:
        """Hold the prepared root of the image ``name``; nobody removes it meanwhile.

        Raises:
            DodasError: It cannot be had.
        """
        with ExitStack() as held:
            try:
                root = self._enter(held, name, progress)
            except ImportError as error:
                self.trouble = f"the Python of this node cannot speak to registries: {error}"
                raise EngineError(self.trouble) from error
            except _OF_THE_NODE as error:
                self.trouble = f"{error}; {error.hint}" if error.hint else str(error)
                raise
            yield root

    def _enter(self, held: ExitStack, name: str, progress: OnProgress) -> PreparedRoot:
        source = self._sources.get(name)
        if source is None:
            return held.enter_context(
                using(self._store(), name, pull=self._pull, progress=progress, bring=self._bring)
            )
        attempt = 0
        while True:
            attempt += 1
            fresh = self._have(source, progress)
            try:
                root = held.enter_context(using(self._store(), source.name, pull="never", progress=progress))
            except (ImageNotFound, ImageCorrupt):
                # Another job made room in the store in between, or a file in it was damaged.
                if attempt == _ATTEMPTS:
                    raise
                continue
            if fresh:
                self._make_room(0)
            return root

    def _have(self, source: ImageSource, progress: OnProgress) -> bool:
        """Have the files of an image in the store; return whether they were not there before."""
        if _is_there(self._store(), source):
            return False
        self._make_room(_UNPACKED * source.size)
        try:
            self._fill(source, progress)
        except TransferError as refusal:
            self._pulled(source, progress, refusal)
        return True

    def _fill(self, source: ImageSource, progress: OnProgress) -> None:
        from dodas.node.images import fill  # noqa: PLC0415 - most images are there
        from dodas.node.room import keep_within  # noqa: PLC0415

        try:
            fill(self._store(), source, self._fetch, progress)
        except StoreError:
            if not self._own:
                raise
            keep_within(self._store(), 0)  # full, perhaps of images that nobody uses
            fill(self._store(), source, self._fetch, progress)

    def _make_room(self, wanted: int) -> None:
        """Have room for so many bytes within the bound, if what nobody uses is enough for that."""
        from dodas.node.room import half_of_the_disk, keep_within  # noqa: PLC0415 - see above

        if self._own:
            store = self._store()
            bound = half_of_the_disk(store) if self._bound is None else self._bound
            keep_within(store, max(0, bound - wanted))

    def _fetch(self, layer: ImageFile) -> Iterator[bytes]:
        if layer.blob:
            yield from _pieces(os.path.join(self._blobs, layer.blob))
            return
        if not self._chirp:
            raise TransferError("the image was not sent along, and this job has no way to fetch it")
        from dodas.node.chirp import Chirp  # noqa: PLC0415 - see above

        with Chirp(self._chirp) as chirp:
            yield from chirp.read(layer.path)

    def _pulled(self, source: ImageSource, progress: OnProgress, refusal: TransferError) -> None:
        """Pull an image that the submit side did not give, exactly that one, from its registry."""
        if self._pull == "never":
            raise refusal
        try:
            self._bring(self._store(), Reference.parse(source.name), platform=None, progress=progress)
        except ImportError:  # a Python that was not built to speak HTTPS
            raise refusal from None
        except (ImageError, SpecError) as error:
            raise TransferError(f"{refusal}; and {error}", hint=error.hint) from refusal

    def _store(self) -> Store:
        if self._opened is None:
            self._opened = Store(self._place)
        return self._opened


def _is_there(store: Store, source: ImageSource) -> bool:
    try:
        image = store.image(source.name)
    except (ImageNotFound, ImageCorrupt):
        return False
    if ready.read_ready(store.layout, image.container) is not None:
        return True
    return all(os.path.exists(store.layout.blob(layer.digest)) for layer in source.layers)


def _pieces(path: str) -> Iterator[bytes]:
    try:
        with open(path, "rb", buffering=0) as file:
            while piece := file.read(_PIECE):
                yield piece
    except OSError as error:
        raise TransferError(f"a layer that was sent along cannot be read: {error.strerror}") from error
