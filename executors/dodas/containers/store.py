"""udocker's image repository on this disk, shared with udocker itself and with other processes.

Nothing is ever seen half-made: blobs appear by rename once their digest is right, an image when all that it
needs is there.  Whoever dies in between leaves files that the next one who wants the same removes.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager

from dodas.containers import blobs, locks, tags
from dodas.containers.diskfaults import disk_faults
from dodas.containers.image import Image, manifest_digests, parse_json
from dodas.containers.layout import Layout
from dodas.containers.memory import Remembered
from dodas.containers.reference import Reference, is_digest
from dodas.errors import ImageCorrupt, ImageNotFound, SpecError
from dodas.paths import store_dir

_CONTAINER = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def _silent() -> None:
    """Wait without a word."""


class Store:
    """The images and prepared roots below one directory.

    Attributes:
        layout: Where everything lies.
        remembered: Prepared roots by name and platform; the property of `dodas.containers.prepare`.
    """

    def __init__(self, root: str | None = None) -> None:
        self.layout = Layout(os.path.abspath(root or store_dir()))
        self.remembered: dict[tuple[str, str | None], Remembered] = {}

    @property
    def root(self) -> str:
        """The directory of the store."""
        return self.layout.root

    def image(self, name: str | Reference) -> Image:
        """Return the image called ``name``.

        Raises:
            ImageNotFound: There is none.
            ImageCorrupt: Its description in the store is damaged.
            SpecError: ``name`` is not the name of an image.
        """
        repository, tag = self.filed(name)
        return tags.read_image(self.layout, repository, tag)

    def filed(self, name: str | Reference) -> tuple[str, str]:
        """Return under which repository and tag the image ``name`` is filed.

        Raises:
            ImageNotFound: It is not.
            SpecError: ``name`` is not the name of an image.
        """
        for repository, tag in _places(name):
            if tags.is_image(self.layout, repository, tag):
                return repository, tag
        Reference.parse(str(name))  # says so if it is the name of no image at all
        raise ImageNotFound(
            f"there is no image {name} in {self.root}",
            hint=f"pull it with `dodas image pull {name}`, or list what is there with `dodas image ls`",
        )

    def images(self) -> list[Image]:
        """Return all images whose description is sound, sorted by name."""
        found = []
        for repository, tag in tags.all_images(self.layout):
            try:
                found.append(tags.read_image(self.layout, repository, tag))
            except ImageCorrupt:
                continue
        return sorted(found, key=lambda image: image.name)

    def adding(self) -> AbstractContextManager[None]:
        """Keep the collector from blobs that no image needs yet, from the first blob until ``add_image``."""
        self.layout.make()
        return locks.shared(self.layout.lock("layers"))

    def blob(
        self, digest: str = "", *, size: int | None = None, on_wait: Callable[[], None] = _silent
    ) -> AbstractContextManager[blobs.Blob]:
        """Bring a blob in, unless it is ``present``: ``write`` it whole in the context.

        It is admitted at the end of the context if no exception passed, and only if its digest is right.  Of
        many processes that want the same blob one writes it and the others wait, then find it present.

        Args:
            digest: ``sha256:…``; empty to learn it, from the value's ``digest`` afterwards.
            size: Bytes it must have; ``None`` when not known.
            on_wait: Called once before waiting for another process.

        Raises:
            ImageCorrupt: What was written has another digest or size.
            StoreError: The disk does not take it.
        """
        self.layout.make()
        return blobs.admission(self.layout, digest, size, on_wait)

    def add_image(
        self, name: str | Reference, config: bytes, manifest: bytes, layers: Sequence[str], digest: str
    ) -> Image:
        """File an image, whose layers are in the store, under ``name``; another one of that name goes.

        Args:
            name: Its name.
            config: Its configuration.
            manifest: Its manifest.
            layers: Digests of its layers, the lowest first, as the manifest has them.
            digest: ``sha256:…`` of the manifest, or of the configuration if it came without manifest.

        Raises:
            ImageCorrupt: Manifest, configuration and layers do not belong together, or a layer is gone.
            StoreError: The disk does not take it.
        """
        reference = Reference.parse(name) if isinstance(name, str) else name
        stated, stated_layers = manifest_digests(parse_json(manifest, "manifest"))
        if tuple(layers) != stated_layers:
            problem = f"the layers of {reference} are not those of its manifest"
            raise ImageCorrupt(problem, hint="pull the image again")
        with self.adding():
            with self.blob(stated, size=len(config)) as blob:
                if not blob.present:
                    blob.write(config)
            missing = [layer for layer in layers if not os.path.exists(self.layout.blob(layer))]
            if missing:
                problem = f"the layer {missing[0]} of {reference} was removed meanwhile"
                raise ImageCorrupt(problem, hint="pull the image again")
            repository, tag = reference.store_name
            with disk_faults(self.root), locks.exclusive(self.layout.lock("images")):
                tags.write_image(self.layout, repository, tag, manifest, digest)
        return tags.read_image(self.layout, repository, tag)

    def forget(self, repository: str, tag: str) -> None:
        """Remove the name of an image; its layers stay until they are collected."""
        with disk_faults(self.root), locks.exclusive(self.layout.lock("images")):
            tags.remove_image(self.layout, repository, tag)

    def __repr__(self) -> str:
        return f"Store({self.root!r})"


def _places(name: str | Reference) -> tuple[tuple[str, str], ...]:
    try:
        return (Reference.parse(name) if isinstance(name, str) else name).store_names
    except SpecError:
        # udocker takes names that Docker does not, such as ones in capitals.
        repository, _, tag = str(name).partition(":")
        unsafe = {"", ".", ".."} & {*repository.split("/"), tag or "latest"}
        return () if unsafe or "/" in tag or "\0" in repository + tag else ((repository, tag or "latest"),)


def lookup(store: Store, text: str) -> Image:
    """Return the image that ``text`` means: a name, a digest, an id, or the beginning of one.

    Raises:
        ImageNotFound: There is none, or more than one.
        SpecError: It is nothing of that kind.
    """
    found = {image.digest: image for image in _with_id(store, text)}
    if len(found) == 1:
        return next(iter(found.values()))
    if found:
        names = ", ".join(sorted(image.name for image in found.values()))
        raise ImageNotFound(f"{text} may mean {names}", hint="give more of its digits, or its name")
    if is_digest(text):
        raise ImageNotFound(
            f"there is no image {text} in {store.root}", hint="list what is there with `dodas image ls`"
        )
    return store.image(text)


def _with_id(store: Store, text: str) -> Iterator[Image]:
    """Yield the images with a digest, id or container that begins with ``text``, unless that is a name."""
    if _CONTAINER.fullmatch(text):
        yield from (image for image in store.images() if image.container == text)
    digits = text.removeprefix("sha256:")
    if len(digits) < 6 or digits.strip("0123456789abcdef"):
        return
    if digits == text:
        try:
            store.filed(text)  # a name made of hexadecimal digits wins, as with Docker
        except (ImageNotFound, SpecError):
            pass
        else:
            return
    for image in store.images():
        if any(stated.startswith(f"sha256:{digits}") for stated in (image.digest, image.id)):
            yield image
