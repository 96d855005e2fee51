"""Whether what a server has is what was sent."""

from __future__ import annotations

from dodas.errors import Corrupt, NotThere, StorageUnreachable, TransferError
from dodas.staging import checksums
from dodas.staging.asking import ask_with_digest
from dodas.staging.checksums import Hasher, compare
from dodas.staging.digests import told_by
from dodas.staging.response import Response
from dodas.staging.session import Session
from dodas.staging.sources import Source
from dodas.staging.urls import Url
from dodas.staging.values import Checksum, Expected, Verified

_BLOCK = 1 << 20


def confirmed(
    session: Session, where: Url, *, origin: Url, size: int, found: tuple[Checksum, ...]
) -> Verified:
    """Compare what the server says that it has with what was sent.

    Args:
        session: The way to it.
        where: The file, at the server that took it.
        origin: What the user named.
        size: Bytes that were sent.
        found: Checksums of them.

    Returns:
        How far it agrees; nothing where the server says nothing.

    Raises:
        Corrupt: It does not agree.
    """
    names = [one.algorithm for one in reversed(found)]
    try:
        with ask_with_digest(session, "HEAD", where, origin=origin, algorithms=names, retry=True) as response:
            told = told_by(response.headers) if session.settings.verify else ()
            known = _length(response)
    except NotThere:
        raise Corrupt(f"{where.redacted} is not there after it was stored", hint="upload it again") from None
    except StorageUnreachable:
        raise
    except TransferError:
        return Verified.NOTHING  # it may be written and not looked at
    return _judged(where, Expected(size=known, checksums=told), size, found)


def length(session: Session, where: Url, *, origin: Url) -> int | None:
    """Return the bytes that a file has; ``None`` if the server does not say.

    Raises:
        NotThere: There is none.
    """
    with session.exchange.ask("HEAD", where, origin=origin) as response:
        return _length(response)


def _length(response: Response) -> int | None:
    text = response.headers.get("content-length", "")
    return int(text) if text.isdecimal() else None


def is_there(session: Session, where: Url, *, origin: Url, size: int, found: tuple[Checksum, ...]) -> bool:
    """Tell whether a server has exactly what was sent, though it may not have said so.

    Raises:
        StorageUnreachable: It does not answer.
    """
    hasher = Hasher([one.algorithm for one in found])
    try:
        with session.exchange.ask("GET", where, origin=origin) as response:
            if response.length not in (None, size):
                return False
            buffer = memoryview(bytearray(_BLOCK))
            while count := response.readinto(buffer):
                hasher.update(buffer[:count])
    except StorageUnreachable:
        raise
    except TransferError:
        return False
    return hasher.count == size and compare(found, hasher.digests()) is True


def is_beginning(session: Session, where: Url, source: Source, *, origin: Url) -> bool:
    """Tell whether what a server has is the beginning of a file and not all of it.

    Raises:
        StorageUnreachable: It does not answer.
    """
    done = 0
    buffer = memoryview(bytearray(_BLOCK))
    with session.exchange.ask("GET", where, origin=origin, ok=(200, 404, 410)) as response:
        if response.status != 200 or (response.length or 0) >= source.size:
            return False
        while count := response.readinto(buffer):
            if not source.starts_with(buffer[:count], done):
                return False
            done += count
    return done < source.size


def _judged(where: Url, told: Expected, size: int, found: tuple[Checksum, ...]) -> Verified:
    try:
        return checksums.verify(f"what was stored as {where.redacted}", told, size, found)
    except Corrupt as error:
        raise Corrupt(str(error), hint="upload it again") from None
