"""A root file system, as the tar of one, becomes an image."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator

from dodas.containers.archive.opening import opened, unreadable
from dodas.containers.image import Image, digest_of, manifest_of
from dodas.containers.progress import OnProgress, Progress, ignore
from dodas.containers.reference import Reference
from dodas.containers.store import Store
from dodas.containers.tar.compression import PIECE, compression, decompressed
from dodas.containers.tar.faults import TarFault
from dodas.containers.tar.members import members
from dodas.containers.tar.sources import Pieces
from dodas.errors import ImageCorrupt


def import_tar(store: Store, path: str, name: str, *, progress: OnProgress = ignore) -> Image:
    """Make an image of one layer from the tar of a root file system, compressed or not.

    The same bytes always make the same image.

    Raises:
        SpecError: There is no such file, or ``name`` is not the name of an image.
        ImageCorrupt: It is not a sound tar archive.
        StoreError: The disk does not take it.
    """
    from dodas.containers.registry.platforms import Platform  # noqa: PLC0415 - heavy

    reference = Reference.parse(name)
    here = Platform.here()
    with store.adding():
        with opened(path) as fd, store.blob() as blob:
            how, diff_id = _copy_and_check(fd, path, blob.write, progress)
        size = os.path.getsize(store.layout.blob(blob.digest))
        described = {
            "os": "linux",
            "config": {},
            "architecture": here.architecture,
            **({"variant": here.variant} if here.variant else {}),
            "rootfs": {"type": "layers", "diff_ids": [diff_id]},
        }
        config = json.dumps(described, separators=(",", ":")).encode()
        manifest = manifest_of((digest_of(config), len(config)), [(blob.digest, size, how)])
        return store.add_image(reference, config, manifest, [blob.digest], digest_of(config))


def _copy_and_check(
    fd: int, path: str, write: Callable[[bytes], None], progress: OnProgress
) -> tuple[str, str]:
    """Copy a tar file and read through it; return its compression and the digest of its content."""
    total = os.fstat(fd).st_size
    head = os.pread(fd, 16, 0)
    content = hashlib.sha256()

    def raw() -> Iterator[bytes]:
        done = 0
        while piece := os.read(fd, PIECE):
            write(piece)
            done += len(piece)
            progress(Progress(what=f"importing {os.path.basename(path)}", done=done, total=total))
            yield piece

    def hashed() -> Iterator[bytes]:
        for piece in decompressed(raw()):
            content.update(piece)
            yield piece

    try:
        source = Pieces(hashed())
        count = sum(1 for _ in members(source))
        source.drain()
    except TarFault as fault:
        raise unreadable(path, fault) from fault
    if not count:
        raise ImageCorrupt(f"{path} holds no files", hint="give the tar archive of a root file system")
    return compression(head), f"sha256:{content.hexdigest()}"
