"""The file of an archive, opened: whatever it is compressed with, its members can be had in any order."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from dodas.containers.archive.contents import Contents, DirectoryContents, TarContents
from dodas.containers.diskfaults import disk_faults
from dodas.containers.progress import OnProgress, Progress
from dodas.containers.store import Store
from dodas.containers.tar.compression import PIECE, compression, decompressed
from dodas.containers.tar.faults import TarFault
from dodas.errors import ImageCorrupt, SpecError

AGAIN = "make the archive again, or copy it again if it was copied"


@contextmanager
def open_archive(store: Store, path: str, progress: OnProgress) -> Iterator[Contents]:
    """Yield the files in an archive, or in a directory.

    Raises:
        SpecError: It cannot be read.
        ImageCorrupt: It is no sound archive.
        StoreError: It is compressed, and the store's disk cannot take the content.
    """
    if os.path.isdir(path):
        yield DirectoryContents(path)
        return
    with ExitStack() as stack:
        fd = stack.enter_context(opened(path))
        if compression(os.pread(fd, 16, 0)):
            fd = stack.enter_context(_uncompressed(store, fd, path, progress))
        try:
            contents = TarContents(fd)
        except TarFault as fault:
            raise unreadable(path, fault) from fault
        yield contents


@contextmanager
def opened(path: str) -> Iterator[int]:
    """Yield a descriptor of a file; raise `SpecError` if it cannot be read."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        problem = f"cannot read {path}: {error.strerror}"
        raise SpecError(problem, hint="give the path of an archive") from error
    try:
        yield fd
    finally:
        os.close(fd)


@contextmanager
def _uncompressed(store: Store, fd: int, path: str, progress: OnProgress) -> Iterator[int]:
    """Yield the content of a compressed file as a file without a name: members are read in any order."""
    total = os.fstat(fd).st_size

    def raw() -> Iterator[bytes]:
        done = 0
        while piece := os.read(fd, PIECE):
            done += len(piece)
            yield piece
            progress(Progress(what=f"decompressing {os.path.basename(path)}", done=done, total=total))

    store.layout.make()
    with tempfile.TemporaryFile(dir=store.layout.tmp, buffering=0) as plain:
        try:
            for piece in decompressed(raw()):
                with disk_faults(store.root):
                    plain.write(piece)
        except TarFault as fault:
            raise unreadable(path, fault) from fault
        yield plain.fileno()


def unreadable(path: str, fault: TarFault) -> ImageCorrupt:
    """Return the error for a file that is no archive."""
    with open(path, "rb") as file:
        head = file.read(512).lstrip().lower()
    if head.startswith((b"<!doctype", b"<html", b"<?xml")):
        hint = "download it again, logged in if need be"
        return ImageCorrupt(f"{path} is a web page, not an archive", hint=hint)
    return ImageCorrupt(f"{path} cannot be read: {fault}", hint=AGAIN)
