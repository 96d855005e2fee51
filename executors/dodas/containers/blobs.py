"""Blobs on their way into the store: hashed while they are written, and there only when they are right."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress

from dodas.containers.diskfaults import disk_faults
from dodas.containers.layout import Layout
from dodas.containers.locks import exclusive
from dodas.containers.reference import is_digest
from dodas.errors import ImageCorrupt

_BLOCK = 1 << 20


class Blob:
    """One blob in the store, or on its way there.

    Attributes:
        present: Whether it was there already; nothing needs to be written then.
        digest: ``sha256:…``; empty until the end where it was not known beforehand.
    """

    def __init__(self, digest: str, *, present: bool) -> None:
        self.digest = digest
        self.present = present

    @property
    def written(self) -> int:
        """Bytes written so far."""
        return 0

    def write(self, data: bytes | memoryview) -> None:
        """Take the next bytes."""
        raise NotImplementedError

    def restart(self) -> None:
        """Forget what was written, to begin anew."""

    def take(self, path: str) -> None:
        """Take a whole file, on the disk of the store, instead of being written; it goes from there."""
        raise NotImplementedError


class _Incoming(Blob):
    def __init__(self, layout: Layout, digest: str, size: int | None, path: str) -> None:
        super().__init__(digest, present=False)
        self._layout, self._size, self._path = layout, size, path
        with disk_faults(layout.root):
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        self.restart()

    @property
    def written(self) -> int:
        return self._written

    def write(self, data: bytes | memoryview) -> None:
        self._hash.update(data)
        self._written += len(data)
        rest = memoryview(data)
        with disk_faults(self._layout.root):
            while rest:
                rest = rest[os.write(self._fd, rest) :]

    def restart(self) -> None:
        self._hash = hashlib.new(self.digest.partition(":")[0] or "sha256")
        self._written = 0
        with disk_faults(self._layout.root):
            os.ftruncate(self._fd, 0)
            os.lseek(self._fd, 0, os.SEEK_SET)

    def take(self, path: str) -> None:
        with disk_faults(self._layout.root):
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            os.close(self._fd)
            self._fd = fd
            os.replace(path, self._path)
        self._hash = hashlib.new(self.digest.partition(":")[0] or "sha256")
        self._written = 0
        buffer = memoryview(bytearray(_BLOCK))
        with disk_faults(self._layout.root), open(fd, "rb", buffering=0, closefd=False) as file:
            while count := file.readinto(buffer):
                self._hash.update(buffer[:count])
                self._written += count

    def admit(self) -> None:
        """Make it a blob of the store, if it is what it should be."""
        found = f"{self._hash.name}:{self._hash.hexdigest()}"
        if self._size is not None and self._written != self._size:
            problem = f"{self.digest or 'a blob'} has {self._written} bytes and should have {self._size}"
            raise ImageCorrupt(problem, hint=_AGAIN)
        if self.digest and self.digest != found:
            raise ImageCorrupt(f"what should be {self.digest} has the digest {found}", hint=_AGAIN)
        self.digest = found
        with disk_faults(self._layout.root):
            os.fsync(self._fd)
            os.rename(self._path, self._layout.blob(found))

    def discard(self) -> None:
        """Leave nothing behind; what was admitted stays."""
        os.close(self._fd)
        with suppress(FileNotFoundError):
            os.unlink(self._path)


_AGAIN = "try again; if it stays so, the archive, the registry or a proxy in between is at fault"


@contextmanager
def admission(layout: Layout, digest: str, size: int | None, on_wait: Callable[[], None]) -> Iterator[Blob]:
    """See `dodas.containers.store.Store.blob`."""
    if digest and not is_digest(digest):
        raise ImageCorrupt(f"{digest[:100]!r} is not a digest", hint=_AGAIN)
    if digest and _is_there(layout, digest, size):
        yield Blob(digest, present=True)
        return
    key = f"blob-{digest.partition(':')[2] or os.urandom(16).hex()}"
    with ExitStack() as stack:
        with disk_faults(layout.root):
            stack.enter_context(exclusive(layout.lock(key), on_wait=on_wait, keep=False))
        if digest and _is_there(layout, digest, size):
            yield Blob(digest, present=True)
            return
        layout.sweep(key)
        incoming = _Incoming(layout, digest, size, layout.temporary(key))
        try:
            yield incoming
            incoming.admit()
        finally:
            incoming.discard()


def _is_there(layout: Layout, digest: str, size: int | None) -> bool:
    path = layout.blob(digest)
    try:
        found = os.stat(path).st_size
    except OSError:
        return False
    if size is not None and found != size:
        return False
    with suppress(OSError):
        os.utime(path)  # the collector spares what was wanted lately
    return True
