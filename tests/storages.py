"""A client of the tests, and what it may leave behind: nothing."""

from __future__ import annotations

import random
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dodas.auth.credentials import Credentials
from dodas.errors import TransferError
from dodas.staging.settings import Settings
from dodas.staging.storage import Storage
from dodas.staging.values import Checksum, Received
from servers.pki import Pki

MANY = 3_000_000  # bytes; more than is ever read at once


def content(size: int = MANY, seed: int = 1) -> bytes:
    """Return bytes that are the same each time and compress badly."""
    return random.Random(seed).randbytes(size)


def adler32(data: bytes) -> Checksum:
    return Checksum(algorithm="adler32", value=f"{zlib.adler32(data):08x}")


@contextmanager
def storage(
    pki: Pki | None = None,
    *,
    attempts: int = 4,
    prefer: tuple[str, ...] = (),
    token: str = "",
    token_hosts: tuple[str, ...] = (),
    streams: int = 1,
    large: int = 1 << 40,
    idle_timeout: float = 10.0,
) -> Iterator[Storage]:
    """Open a client that waits for nothing longer than a moment."""
    settings = Settings(
        attempts=attempts,
        max_wait=0.05,
        prefer=prefer,
        token_hosts=token_hosts,
        streams=streams,
        large=large,
        idle_timeout=idle_timeout,
    )
    environ = {"SSL_CERT_FILE": str(pki.bundle)} if pki else {}
    if token:
        environ["BEARER_TOKEN"] = token
    with Storage(settings, Credentials.from_environment(environ)) as client:
        yield client


def fetched_at_once(client: Storage, url: str, target: Path, times: int) -> list[str]:
    """Download a file to one place from many threads at once; return what came of it, by name."""
    outcomes: list[Received | TransferError] = []

    def fetch() -> None:
        try:
            outcomes.append(client.download(url, target))
        except TransferError as error:
            outcomes.append(error)

    threads = [threading.Thread(target=fetch) for _ in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(type(one).__name__ for one in outcomes)


def left_in(folder: Path) -> set[str]:
    """Return the names of all files below a folder; what Apache itself is about to remove does not count."""
    files = {file.relative_to(folder) for file in folder.rglob("*") if file.is_file()}
    return {str(file) for file in files if not file.name.startswith(".davfs.tmp")}
