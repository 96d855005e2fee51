"""What passes between the parts of staging and to its callers.  Sizes are bytes, times seconds since 1970."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

from dodas.values import dataclass

# Told how many bytes have passed and how many there are, if that is known; called from any thread.
OnProgress = Callable[[int, "int | None"], None]


def ignore(done: int, total: int | None) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checksum:
    """A checksum of a whole file.

    Attributes:
        algorithm: ``adler32``, ``md5``, ``sha256``, ``crc32c`` …, in small letters.
        value: Hexadecimal, in small letters, with leading zeros.
    """

    algorithm: str
    value: str

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.value}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What a file must be.

    Attributes:
        size: Bytes; ``None`` if it may have any size.
        checksums: All of those that can be computed are compared.
    """

    size: int | None = None
    checksums: tuple[Checksum, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A file or directory on a storage.

    Attributes:
        url: Where it is, as this client writes it; a directory ends with a slash.
        name: The last part of its path, decoded, no slash.
        is_directory: Whether it is one.
        size: Bytes; ``None`` for a directory or where the server does not say.
        modified: When it was changed; ``None`` where the server does not say.
        etag: Validator, empty where there is none.
        checksums: Those that the server tells by itself.
    """

    url: str
    name: str
    is_directory: bool
    size: int | None = None
    modified: float | None = None
    etag: str = ""
    checksums: tuple[Checksum, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Replica:
    """One copy of a file.

    Attributes:
        url: Where it is; may be signed, and is then a secret.
        priority: The smaller the better; 999999 if the federation does not say.
        location: Country or site that the federation names, empty if none.
    """

    url: str
    priority: int = 999_999
    location: str = ""


class Verified(str, Enum):
    """What is known of a file that was transferred."""

    CHECKSUM = "checksum"
    SIZE = "size"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A file that was downloaded.

    Attributes:
        path: Where it is now.
        url: The endpoint that gave it, without what signs it.
        size: Bytes.
        checksums: Those that were computed while it passed.
        verified: What they were compared with.
    """

    path: str
    url: str
    size: int
    checksums: tuple[Checksum, ...]
    verified: Verified


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A file that was uploaded or copied.

    Attributes:
        url: Its name, as it was asked for.
        endpoint: The endpoint that took it, without what signs it.
        size: Bytes.
        checksums: Those of what was sent.
        verified: What the endpoint itself confirmed.
    """

    url: str
    endpoint: str
    size: int
    checksums: tuple[Checksum, ...]
    verified: Verified
