"""What commands on storage do piece by piece, and what came of a piece."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from dodas.errors import DodasError
from dodas.staging import urls
from dodas.staging.values import Checksum, Entry, Received, Stored, Verified


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """A file to bring from one place to another.

    Attributes:
        source: URL, or path on this disk.
        target: URL, or path on this disk.
        size: Bytes, where known.
        entry: What the storage says of the source, where it was asked.
    """

    source: str
    target: str
    size: int | None = None
    entry: Entry | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """Something that cannot be done, found before it was begun.

    Attributes:
        source: What was asked for.
        error: Why not.
    """

    source: str
    error: DodasError


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """A file that is where it should be.

    Attributes:
        endpoint: The server that gave or took it.
        verified: What it was compared with.
        same: Whether it was there already.
    """

    size: int
    checksums: tuple[Checksum, ...]
    verified: Verified
    endpoint: str = ""
    same: bool = False


def received(one: Received) -> Moved:
    """Return what came of a download."""
    return Moved(size=one.size, checksums=one.checksums, verified=one.verified, endpoint=one.url)


def stored(one: Stored) -> Moved:
    """Return what came of an upload or a copy."""
    return Moved(size=one.size, checksums=one.checksums, verified=one.verified, endpoint=one.endpoint)


def moved_fields(item: Transfer, moved: Moved) -> dict[str, Any]:
    """Return the JSON of a file that was moved."""
    return {
        "source": _shown(item.source),
        "target": _shown(item.target),
        "status": "same" if moved.same else "done",
        "size": moved.size,
        "checksums": checksum_fields(moved.checksums),
        "verified": moved.verified.value,
        "endpoint": moved.endpoint,
    }


def failure_fields(source: str, target: str, error: DodasError) -> dict[str, Any]:
    """Return the JSON of something that failed."""
    kind = type(error).__name__
    return {
        "source": _shown(source),
        "target": _shown(target),
        "status": "failed",
        "kind": kind,
        "error": str(error),
        "hint": error.hint,
    }


def entry_fields(entry: Entry) -> dict[str, Any]:
    """Return the JSON of a file or directory."""
    return {
        "url": _shown(entry.url),
        "name": entry.name,
        "directory": entry.is_directory,
        "size": entry.size,
        "modified": None if entry.modified is None else timestamp(entry.modified),
        "etag": entry.etag,
        "checksums": checksum_fields(entry.checksums),
    }


def _shown(name: str) -> str:
    """Return a URL without what signs it; a path as it is."""
    return urls.redacted(name) if urls.is_url(name) else name


def checksum_fields(checksums: Iterable[Checksum]) -> dict[str, str]:
    """Return the JSON of checksums."""
    return {one.algorithm: one.value for one in checksums}


def timestamp(seconds: float) -> str:
    """Return a time as scripts and people read it: ``2026-11-29T14:05:09Z``."""
    return datetime.fromtimestamp(int(seconds), timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
