"""Layers of an image become a root file system: one pass over each, verified on the way.

Semantics of https://github.com/opencontainers/image-spec/blob/main/layer.md, with what an unprivileged
user can have of them: owners, extended attributes and device nodes are left out, and so are the set-uid and
set-gid bits, which would hand the user's rights to everybody on the host who can see the store.
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable, Iterator, Sequence

from dodas.containers.layer import Layer, LayerCorrupt, LayerGone
from dodas.containers.progress import OnProgress, Progress, ignore
from dodas.containers.reference import is_digest
from dodas.containers.tar.ahead import ahead
from dodas.containers.tar.compression import PIECE, decompressed
from dodas.containers.tar.faults import TarFault
from dodas.containers.tar.members import Kind, Member, members
from dodas.containers.tar.sources import Pieces
from dodas.containers.tree import Tree

__all__ = ["Layer", "LayerCorrupt", "unpack"]

_WHITEOUT = b".wh."
_OPAQUE = b".wh..wh..opq"
_AUFS = b".wh..wh."  # its own bookkeeping, no part of the image
_REPORT_EVERY = 4 << 20
# What a file system says to names and sizes that only a hostile or damaged archive has.
_IMPOSSIBLE = (errno.ENAMETOOLONG, errno.EFBIG, errno.EINVAL, errno.EILSEQ, errno.EOVERFLOW)


def unpack(layers: Sequence[Layer], root: str, *, what: str, progress: OnProgress = ignore) -> None:
    """Unpack ``layers``, the lowest first, into the empty directory ``root``.

    Args:
        layers: What to unpack.
        root: Where to.
        what: The image, for people.
        progress: Told the bytes read of all layers' files.

    Raises:
        LayerCorrupt: A layer is not what its digest says, or no sound archive; ``root`` holds a part then.
        OSError: The disk does not take it.
    """
    total = sum(map(_size, layers))
    report = _Reporter(f"unpacking {what}", total, progress)
    fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        tree = Tree(fd)
        report.tell()
        for layer in layers:
            tree.begin_layer()
            _unpack_one(layer, tree, report)
        tree.finish()
        report.tell()
    finally:
        os.close(fd)


def _unpack_one(layer: Layer, tree: Tree, report: _Reporter) -> None:
    # The configuration, whose digest was verified, vouches for the content, and that for the file.
    of_content = _sum(layer.diff_id)
    of_file = None if of_content else _sum(layer.digest)
    raw = _hashed(_file_pieces(layer.path, report.add), of_file)
    try:
        content = _hashed(decompressed(raw), of_content)
        with ahead(content) as pieces:
            source = Pieces(report.telling(pieces))
            for member in members(source):
                apply(tree, source, member)
            source.drain()
    except TarFault as fault:
        raise LayerCorrupt(layer, str(fault)) from fault
    except FileNotFoundError as error:
        if error.filename != layer.path:
            raise
        raise LayerGone(layer, "it was removed meanwhile") from None
    except OSError as error:
        if error.errno in _IMPOSSIBLE:
            raise LayerCorrupt(layer, f"it holds what no file system takes: {error.strerror}") from error
        raise
    _compare(layer, layer.diff_id, of_content)
    _compare(layer, layer.digest, of_file)


def apply(tree: Tree, source: Pieces, member: Member) -> None:
    """Do to ``tree`` what one member of a layer says.

    Raises:
        TarFault: It says something that cannot be, or that would leave the tree.
    """
    directory, _, name = member.path.rpartition(b"/")
    if name.startswith(_WHITEOUT):
        _white_out(tree, directory, name)
    elif not member.path.removeprefix(b"./").startswith(_AUFS):
        _MAKERS[member.kind](tree, tree.place(member.path), source, member)


def _white_out(tree: Tree, directory: bytes, name: bytes) -> None:
    if name == _OPAQUE:
        place = tree.place(directory + b"/.wh.")
        tree.clear(place.rpartition(b"/")[0])
    elif not name.startswith(_AUFS):
        hidden = name.removeprefix(_WHITEOUT)
        if hidden in (b"", b".", b".."):
            raise TarFault(f"the whiteout {name!r} hides nothing that can be")
        tree.hide(tree.place(directory + b"/" + hidden))


def _file(tree: Tree, place: bytes, source: Pieces, member: Member) -> None:
    def fill(fd: int) -> None:
        def write(piece: memoryview) -> None:
            while piece:
                piece = piece[os.write(fd, piece) :]

        if member.extents is None:
            source.copy(member.size, write)
            return
        for offset, length in member.extents:
            os.lseek(fd, offset, os.SEEK_SET)
            source.copy(length, write)
        os.ftruncate(fd, member.real_size)

    # Its owner may read and write, whatever the archive says: there is no root here who always may.
    tree.file(place, member.mode & 0o777 | 0o600, member.mtime, fill)


def _directory(tree: Tree, place: bytes, _source: Pieces, member: Member) -> None:
    tree.directory(place, member.mode & 0o1777 | 0o700, member.mtime)


def _symlink(tree: Tree, place: bytes, _source: Pieces, member: Member) -> None:
    tree.symlink(place, member.target, member.mtime)


def _hard_link(tree: Tree, place: bytes, _source: Pieces, member: Member) -> None:
    tree.hard_link(place, tree.place(member.target))


def _fifo(tree: Tree, place: bytes, _source: Pieces, member: Member) -> None:
    tree.fifo(place, member.mode & 0o777 | 0o600, member.mtime)


def _device(tree: Tree, place: bytes, _source: Pieces, _member: Member) -> None:
    tree.absent(place)


def _nothing(_tree: Tree, _place: bytes, _source: Pieces, _member: Member) -> None:
    """Pass over the label of a volume and the like."""


_MAKERS: dict[Kind, Callable[[Tree, bytes, Pieces, Member], None]] = {
    Kind.FILE: _file,
    Kind.DIRECTORY: _directory,
    Kind.SYMLINK: _symlink,
    Kind.HARD_LINK: _hard_link,
    Kind.FIFO: _fifo,
    Kind.DEVICE: _device,
    Kind.OTHER: _nothing,
}


class _Reporter:
    """Adds up bytes in one thread and tells them in another, now and then."""

    def __init__(self, what: str, total: int, progress: OnProgress) -> None:
        self._what, self._total, self._progress = what, total, progress
        self._done = self._told = 0

    def add(self, count: int) -> None:
        self._done += count

    def telling(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            if self._done - self._told >= _REPORT_EVERY:
                self.tell()
            yield piece

    def tell(self) -> None:
        self._told = self._done
        self._progress(Progress(what=self._what, done=self._told, total=self._total))


def _size(layer: Layer) -> int:
    try:
        return os.path.getsize(layer.path)
    except FileNotFoundError:
        raise LayerGone(layer, "it is gone") from None


def _file_pieces(path: str, report: Callable[[int], None]) -> Iterator[bytes]:
    with open(path, "rb", buffering=0) as file:
        while piece := file.read(PIECE):
            report(len(piece))
            yield piece


def _sum(digest: str) -> hashlib._Hash | None:
    """Return what computes a digest of the kind of ``digest``; ``None`` if that is empty."""
    return hashlib.new(digest.partition(":")[0]) if is_digest(digest) else None


def _hashed(pieces: Iterator[bytes], checksum: hashlib._Hash | None) -> Iterator[bytes]:
    if checksum is None:
        yield from pieces
        return
    for piece in pieces:
        checksum.update(piece)
        yield piece


def _compare(layer: Layer, stated: str, checksum: hashlib._Hash | None) -> None:
    found = checksum and f"{checksum.name}:{checksum.hexdigest()}"
    if found and stated != found:
        raise LayerCorrupt(layer, f"its content has the digest {found} and should have {stated}")
