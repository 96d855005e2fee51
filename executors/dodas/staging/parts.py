"""Files in the making: beside their target under a name of their own, until they are complete and verified.

Whoever dies leaves ``.dodas-<hash>.part`` and, beside it, what is known of its bytes; the next download to
the same target goes on with it.  A part is locked while somebody writes it.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

from dodas.errors import AlreadyThere, TransferError
from dodas.staging import parts_memo
from dodas.staging.checksums import Hasher
from dodas.staging.disk import disk_faults, explained, is_full, no_room
from dodas.staging.locks import locked
from dodas.staging.parts_memo import Memo

_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV, errno.EACCES)
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC


class Part:
    """One file in the making, ours alone as long as it is open.

    Attributes:
        target: What it will be called.
        fd: Where its bytes go.
        memo: What the bytes that it has are of; ``None`` if there are none to go on with.
        lasting: Whether somebody else could find it, and go on with it.
    """

    def __init__(self, target: str, path: str, fd: int, *, lasting: bool) -> None:
        self.target, self.fd, self.lasting = target, fd, lasting
        self._path, self._state = path, f"{path[: -len('.part')]}.state"
        self.memo = parts_memo.read(self._state) if os.fstat(fd).st_size else None

    @property
    def length(self) -> int:
        """Bytes from the start that are there."""
        if self.memo is None:
            return 0
        size = os.fstat(self.fd).st_size
        return size if self.memo.prefix is None else min(self.memo.prefix, size)

    def note(self, memo: Memo, *, keep: bool = True) -> None:
        """Say what the bytes are of.

        Args:
            memo: What they are of.
            keep: Whether to let those know who come after us; not worth it for little.
        """
        if keep:
            with disk_faults(self.target):
                parts_memo.write(self._state, memo)
        self.memo = memo

    def note_prefix(self, length: int) -> None:
        """Say that there are gaps, but none in the first ``length`` bytes."""
        if self.memo is not None:
            self.note(replace(self.memo, prefix=length))

    def cut(self, length: int) -> None:
        """Keep the first ``length`` bytes alone."""
        if length == 0 and self.memo is None and not os.fstat(self.fd).st_size:
            return
        with disk_faults(self.target):
            if length == 0:
                parts_memo.forget(self._state)
                self.memo = None
            os.ftruncate(self.fd, length)
        if self.memo is not None and self.memo.prefix is not None:
            self.note(replace(self.memo, prefix=None))  # there are no gaps any more

    def hash(self, hasher: Hasher, length: int) -> None:
        """Let ``hasher`` see what it has not seen of the first ``length`` bytes."""
        buffer = memoryview(bytearray(1 << 18))
        done = hasher.count
        with disk_faults(self.target):
            while done < length:
                count = os.preadv(self.fd, [buffer[: length - done]], done)
                if not count:
                    raise OSError(errno.EIO, "it became shorter")
                hasher.update(buffer[:count])
                done += count

    def make_room(self, size: int | None) -> None:
        """Fail now if the disk is too small for ``size`` bytes, and not when it is full."""
        if size is None:
            return
        with suppress(OSError):
            there = os.fstatvfs(self.fd)
            free = there.f_bavail * there.f_frsize
            if there.f_blocks and size - os.fstat(self.fd).st_size > free:
                raise no_room(self.target, f"it needs {size} bytes and {free} are free")

    def write(self, data: memoryview, offset: int) -> None:
        """Write ``data`` at ``offset``, all of it."""
        try:
            written = os.pwrite(self.fd, data, offset)
            while written < len(data):
                written += os.pwrite(self.fd, data[written:], offset + written)
        except OSError as error:
            raise explained(self.target, error) from error

    def admit(self, *, overwrite: bool, modified: float | None = None) -> None:
        """Give it its name, and before that the time ``modified``; it is complete and right.

        Raises:
            AlreadyThere: Something has that name, and it is not to be replaced.
        """
        with disk_faults(self.target):
            parts_memo.forget(self._state)
            if modified is not None:
                set_time(self.fd, modified)
            if overwrite:
                os.replace(self._path, self.target)
            else:
                rename_to_nothing(self._path, self.target)

    def discard(self) -> None:
        """Leave nothing behind."""
        for path in (self._state, self._path):
            with suppress(FileNotFoundError):
                os.unlink(path)


@contextmanager
def opened(target: str, *, resume: bool) -> Iterator[Part]:
    """Open the part of ``target``; waits while another process makes the same file.

    What was written stays for the next time if it can be gone on with; a part that is worth nothing, or that
    has filled the disk, is removed.
    """
    with disk_faults(target):
        part = _open(target)
    try:
        if not resume:
            part.cut(0)
        yield part
    except BaseException as error:
        if part.length == 0 or is_full(error) or not part.lasting:
            part.discard()
        raise
    finally:
        os.close(part.fd)


def is_begun(target: str) -> bool:
    """Tell whether somebody makes this file, or has left a part of it."""
    return os.access(f"{_stem(target)}.part", os.F_OK)


def _stem(target: str) -> str:
    directory, slash, name = target.rpartition("/")
    return f"{directory}{slash}.dodas-{hashlib.sha256(os.fsencode(name)).hexdigest()[:24]}"


def _open(target: str) -> Part:
    stem = _stem(target)
    path = f"{stem}.part"
    fd = _ours(path)
    lasting = fd is not None
    if fd is None:
        # No locks here, or the name is taken by somebody else: one that nobody can guess, for this time.
        path = f"{stem}-{os.urandom(8).hex()}.part"
        fd = os.open(path, _FLAGS | os.O_EXCL, 0o666)
    return Part(target, path, fd, lasting=lasting)


def _ours(path: str) -> int | None:
    while True:
        try:
            fd = locked(path, lambda name: os.open(name, _FLAGS, 0o666))
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.EACCES, errno.EPERM, errno.EISDIR) and os.path.lexists(
                path
            ):
                return None
            raise
        if fd is None:
            return None
        status = os.fstat(fd)
        if stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid() and status.st_nlink == 1:
            return fd
        try:
            if status.st_uid != os.geteuid() or not stat.S_ISREG(status.st_mode):
                return None
            # Its maker died after it gave the file its name: what is there is the file, not to be touched.
            os.unlink(path)
        finally:
            os.close(fd)


def rename_to_nothing(path: str, target: str) -> None:
    """Rename ``path`` to ``target`` unless something is there, with no moment in between where it can be."""
    try:
        os.link(path, target, follow_symlinks=False)
    except FileExistsError:
        raise taken(target) from None
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if os.path.lexists(target):
            raise taken(target) from None
        os.rename(path, target)
    else:
        os.unlink(path)


def set_time(fd: int, modified: float) -> None:
    """Say when a file was changed, in seconds since 1970, where that can be."""
    with suppress(OSError, OverflowError):  # there are disks that cannot, and storages that lie
        os.utime(fd, (modified, modified))


def refuse(target: str, *, overwrite: bool) -> None:
    """Fail now if no file can get the name ``target``.

    Raises:
        AlreadyThere: Something has it, and is not to be replaced.
        TransferError: A directory has it, or what is there is no file.
    """
    try:
        status = os.lstat(target)
    except FileNotFoundError:
        return
    except OSError as error:
        raise explained(target, error) from error
    if not overwrite:
        raise taken(target)
    if not (stat.S_ISREG(status.st_mode) or stat.S_ISLNK(status.st_mode)):
        raise TransferError(f"{target} is there and is no file", hint="choose another name")


def taken(target: str) -> AlreadyThere:
    """Return the error of a local file that is there and is to stay."""
    return AlreadyThere(f"{target} is there already", hint="remove it, or allow that it is replaced")
