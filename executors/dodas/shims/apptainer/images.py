"""What the image of a command line is: a name, a file that our own ``pull`` made, a directory, an archive."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from functools import partial

from dodas.containers.image import digest_of
from dodas.containers.prepare import using
from dodas.containers.prepared import ImageConfig, PreparedRoot
from dodas.containers.progress import OnProgress
from dodas.containers.reference import Reference
from dodas.containers.store import Store
from dodas.errors import ImageError, ImageNotFound, SpecError
from dodas.shims.apptainer.options import Unknown
from dodas.shims.prepared import bring

_Use = Callable[..., AbstractContextManager[PreparedRoot]]

DOCKER = "docker://"
FROM_A_REGISTRY = "name the image of a container registry that it was made from, as docker://NAME"
_ARCHIVES = ("docker-archive:", "oci-archive:", "oci:")
_FILE = "file://"
_MARK = "image of dodas"
LARGEST_MARKER = 4096
_SIF, _SIF_AT = b"SIF_MAGIC", 32
_SQUASHFS = (b"hsqs", b"sqsh")
_EXT3, _EXT3_AT = b"\x53\xef", 1080  # ext4(5), the superblock's magic number


def held_root(text: str, progress: OnProgress, held: ExitStack) -> PreparedRoot:
    """Return the prepared root of an image, held until the end of ``held``.

    Args:
        text: The image, as the command line names it.
        progress: Told about waiting, pulling and unpacking.
        held: See above.

    Raises:
        SpecError: There is no such file, or it is not the name of an image.
        ImageError: It cannot be had.
        StoreError: The store cannot be used.
        Unknown: Only apptainer itself can have it.
    """
    use = partial(using, Store(), progress=progress, bring=bring)
    if is_named(text):
        return held.enter_context(use(name_of(text, progress)))
    path = _path_of(text)
    if os.path.isdir(path):
        return PreparedRoot(
            path=os.path.abspath(path), digest="", container="", lock="", config=ImageConfig()
        )
    name, digest = _marked(path)
    return _pulled_before(path, name, digest, use, held)


def is_named(text: str) -> bool:
    """Return whether an image is one that the store can have under a name."""
    return text.startswith((DOCKER, *_ARCHIVES))


def name_of(text: str, progress: OnProgress) -> str:
    """Return the name that the store has for such an image; one out of an archive is there then.

    Raises:
        SpecError: There is no such archive, or the name is not that of an image.
        ImageError: The archive has no image that can be had.
        StoreError: The disk does not take it.
    """
    return str(Reference.parse(text)) if text.startswith(DOCKER) else _loaded(text, progress)


def marker(name: str, digest: str) -> bytes:
    """Return what a ``pull`` writes into the file that stands for an image."""
    about = "stands for an image in the store of dodas; works with the apptainer of `dodas env`"
    return json.dumps({_MARK: name, "digest": digest, "about": about}, indent=2).encode() + b"\n"


def is_marker(content: bytes) -> bool:
    """Return whether that is what a ``pull`` has written."""
    return content.startswith(b'{\n  "%s": ' % _MARK.encode())


def _pulled_before(path: str, name: str, digest: str, use: _Use, held: ExitStack) -> PreparedRoot:
    """Return the very image that was pulled, whatever its name means by now."""
    with ExitStack() as unused:
        try:
            root = unused.enter_context(use(name, pull="never"))
        except ImageNotFound:
            pass
        else:
            if root.digest == digest:
                held.enter_context(unused.pop_all())
                return root
    try:
        return held.enter_context(use(digest, pull="never"))
    except ImageNotFound:
        pass
    try:
        return held.enter_context(use(f"{name.partition('@')[0]}@{digest}"))
    except ImageError as error:
        error.hint = f"remove {path}, so that it is pulled again"
        raise


def _path_of(text: str) -> str:
    scheme, found, _ = text.partition("://")
    if found and scheme.isalnum() and not text.startswith(_FILE):
        raise Unknown(f"use an image from {scheme}://", FROM_A_REGISTRY)
    return text.removeprefix(_FILE)


def _marked(path: str) -> tuple[str, str]:
    """Return name and digest out of the file that stands for an image."""
    try:
        with open(path, "rb") as file:
            head = file.read(LARGEST_MARKER)
    except OSError as error:
        raise SpecError(
            f"cannot open image {path}: {error.strerror}", hint="name an image of a registry as docker://NAME"
        ) from error
    if head[_SIF_AT:].startswith(_SIF) or head.startswith(_SQUASHFS) or head[_EXT3_AT:].startswith(_EXT3):
        raise Unknown(f"run {path}, a SIF file", FROM_A_REGISTRY)
    try:
        content = json.loads(head)
        return str(content[_MARK]), str(content["digest"])
    except (ValueError, LookupError, TypeError) as error:
        raise SpecError(f"{path} is no image", hint="name an image of a registry as docker://NAME") from error


def _loaded(text: str, progress: OnProgress) -> str:
    """Return the name of an image out of an archive, loaded if it was not, or has changed."""
    from dodas.containers.archives import load  # noqa: PLC0415 - seldom needed
    from dodas.containers.store import lookup  # noqa: PLC0415

    path = os.path.abspath(text.partition(":")[2].removeprefix("//"))
    try:
        status = os.stat(path)
    except OSError as error:
        raise SpecError(f"cannot open {path}: {error.strerror}") from error
    facts = f"{path}\0{status.st_dev}\0{status.st_ino}\0{status.st_size}\0{status.st_mtime_ns}"
    name = f"localhost/archive:{digest_of(os.fsencode(facts))[7:39]}"
    store = Store()
    try:
        lookup(store, name)
    except ImageNotFound:
        load(store, path, name=name, progress=progress)
    return name
