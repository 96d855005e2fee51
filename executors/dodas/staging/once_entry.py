"""One file of the cache: what is known of it, and whether it is still what it was."""

from __future__ import annotations

import json
import os
from contextlib import suppress

from dodas import whole
from dodas.staging.checksums import Hasher
from dodas.staging.parts_memo import boot
from dodas.staging.values import Checksum, Received
from dodas.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A file of the cache.

    Attributes:
        key: Its name in the cache.
        path: Where it is.
        size: Bytes.
        used: When it was wanted last, seconds since 1970.
    """

    key: str
    path: str
    size: int
    used: float


class Slot:
    """The directory of one file in the cache; whoever changes it has its lock."""

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self.path = os.path.join(directory, "file")
        self._record = os.path.join(directory, "record")

    def has_it(self) -> bool:
        """Tell whether the file is there, and nobody has changed it since it was verified.

        What was written just before the machine went down is read again, for the disk may have lost it.
        """
        try:
            with open(self._record, encoding="utf-8") as file:
                record = json.load(file)
            status = os.lstat(self.path)
            same = (record["size"], record["changed"]) == (status.st_size, status.st_mtime_ns)
            if same and record["boot"] != boot():
                same = _checksum(self.path) == record["adler32"]
                if same:
                    self._write(status, record["adler32"])
        except (OSError, ValueError, KeyError, TypeError):
            return False
        if same:
            with suppress(OSError):
                os.utime(self._record)
        return same

    def admit(self, received: Received) -> None:
        """Note that the file is complete and verified, and let nobody write it."""
        os.chmod(self.path, 0o444)
        found = {one.algorithm: one.value for one in received.checksums}
        self._write(os.lstat(self.path), found.get("adler32") or _checksum(self.path))

    def look(self) -> Kept | None:
        """Return what is known of the file; ``None`` while it is not complete."""
        try:
            status, used = os.lstat(self.path), os.lstat(self._record).st_mtime
        except OSError:
            return None
        key = os.path.basename(self.directory)
        return Kept(key=key, path=self.path, size=status.st_size, used=used)

    def empty(self) -> None:
        """Remove all of it, so that at no time it looks complete and is not."""
        with suppress(FileNotFoundError):
            os.unlink(self._record)
        with suppress(FileNotFoundError):
            for name in os.listdir(self.directory):
                os.unlink(os.path.join(self.directory, name))
            os.rmdir(self.directory)

    def _write(self, status: os.stat_result, adler32: str) -> None:
        record = {"size": status.st_size, "changed": status.st_mtime_ns, "boot": boot(), "adler32": adler32}
        whole.write(self._record, json.dumps(record), mode=0o666)


def _checksum(path: str) -> str:
    hasher = Hasher(["adler32"])
    with open(path, "rb", buffering=0) as file:
        buffer = memoryview(bytearray(1 << 20))
        while count := file.readinto(buffer):
            hasher.update(buffer[:count])
    return hasher.digests()[0].value


def strong(checksums: tuple[Checksum, ...]) -> Checksum | None:
    """Return a checksum that names content by itself, wherever it comes from."""
    return next((one for one in checksums if one.algorithm in ("sha256", "sha384", "sha512")), None)
