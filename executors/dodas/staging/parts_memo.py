"""What is noted beside a part of a file, so that somebody else can go on with it after a kill."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress

from dodas import whole
from dodas.staging.values import Checksum
from dodas.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Memo:
    """Which file the bytes of a part are of.

    Attributes:
        url: The user's, without secrets.
        endpoint: Who gave them, without secrets.
        etag: The strong validator that it gave; empty if it gave none.
        size: Bytes of the whole file.
        checksums: What the endpoint says that the whole file has.
        prefix: Bytes from the start that are there; ``None`` if the part has no holes.
    """

    url: str
    endpoint: str = ""
    etag: str = ""
    size: int | None = None
    checksums: tuple[Checksum, ...] = ()
    prefix: int | None = None


def write(path: str, memo: Memo) -> None:
    """Write ``memo`` so that a reader finds all of it or what was there before."""
    text = json.dumps(
        {
            "boot": boot(),
            "url": memo.url,
            "endpoint": memo.endpoint,
            "etag": memo.etag,
            "size": memo.size,
            "checksums": {one.algorithm: one.value for one in memo.checksums},
            "prefix": memo.prefix,
        }
    )
    whole.write(path, text)


def read(path: str) -> Memo | None:
    """Return what is noted at ``path``; ``None`` if it is not to be relied on.

    After the machine has gone down, bytes that were written last may be zeros.  Only a checksum of the whole
    file would tell, so that without one the part counts for nothing then.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        with open(fd, encoding="utf-8") as file:
            found = json.loads(file.read(1 << 20))
        memo = _memo(found)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
    return memo if memo.checksums or found.get("boot") == boot() else None


def forget(path: str) -> None:
    """Remove what is noted at ``path``."""
    with suppress(FileNotFoundError):
        os.unlink(path)


def _memo(found: Mapping[str, object]) -> Memo:
    size, prefix, checksums = found["size"], found["prefix"], found["checksums"]
    if not all(one is None or isinstance(one, int) for one in (size, prefix)) or not isinstance(
        checksums, dict
    ):
        raise ValueError("not written by us")
    return Memo(
        url=str(found["url"]),
        endpoint=str(found["endpoint"]),
        etag=str(found["etag"]),
        size=size if isinstance(size, int) else None,
        checksums=tuple(Checksum(algorithm=str(name), value=str(value)) for name, value in checksums.items()),
        prefix=prefix if isinstance(prefix, int) else None,
    )


def boot() -> str:
    """Return what tells this run of the machine from others."""
    with suppress(OSError), open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        return file.read().strip()
    return ""
