"""One large file, down and up, over http and https."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.local.table import Row
from benchmarks.staging.rounds import DODAS, Client, measure
from benchmarks.staging.servers import Bench, Server

_OURS = (sys.executable, "-m", "benchmarks.staging.with_dodas")
_REQUESTS = (sys.executable, "-m", "benchmarks.staging.with_requests")


def rows(bench: Bench, size: int) -> Iterator[Row]:
    """Measure with ``size`` bytes."""
    source, target = bench.home / "large", bench.home / "got"
    _write(source, size)
    for server in (bench.plain, bench.encrypted):
        shutil.copy(source, server.root / "large")
        scheme = server.url().partition(":")[0]
        yield from measure(
            f"{size >> 20} MiB from Apache, {scheme}",
            list(_down(server, target, _same_size(target, size))),
            rounds=bench.rounds,
            environment=bench.environment,
            prepare=lambda: target.unlink(missing_ok=True),
        )
        target.unlink(missing_ok=True)
        up = server.root / "up"
        yield from measure(
            f"{size >> 20} MiB to Apache, {scheme}",
            list(_up(server, source, _same_size(up, size))),
            rounds=bench.rounds,
            environment=bench.environment,
            prepare=lambda up=up: up.unlink(missing_ok=True),  # type: ignore[misc]
        )
        up.unlink()
        (server.root / "large").unlink()
    source.unlink()


def _down(server: Server, target: Path, check: Callable[[], None]) -> Iterator[Client]:
    url, path, base = server.url("large"), str(target), server.url()
    yield Client(how=DODAS, words=(*_OURS, "get", url, path), check=check)
    yield Client(how="curl", words=("curl", "-s", "-f", "-o", path, url), check=check)
    yield Client(how="davix-get", words=("davix-get", *_trust(server), url, path), check=check)
    yield Client(
        how="rclone",
        words=("rclone", "copyto", "--webdav-url", base, *_RCLONE, ":webdav:large", path),
        check=check,
    )
    yield Client(how="requests", words=(*_REQUESTS, "get", url, path), check=check)


def _up(server: Server, source: Path, check: Callable[[], None]) -> Iterator[Client]:
    url, path, base = server.url("up"), str(source), server.url()
    yield Client(how=DODAS, words=(*_OURS, "put", path, url), check=check)
    yield Client(how="curl", words=("curl", "-s", "-f", "-T", path, url), check=check)
    yield Client(how="davix-put", words=("davix-put", *_trust(server), path, url), check=check)
    yield Client(
        how="rclone",
        words=("rclone", "copyto", "--webdav-url", base, *_RCLONE, path, ":webdav:up"),
        check=check,
    )
    yield Client(how="requests", words=(*_REQUESTS, "put", path, url), check=check)


_RCLONE = ("--config", os.devnull, "--webdav-vendor", "other", "--no-check-dest", "-q")


def _trust(server: Server) -> tuple[str, ...]:
    return ("--capath", str(server.pki.directory)) if server.pki else ()


def _same_size(path: Path, size: int) -> Callable[[], None]:
    def check() -> None:
        if path.stat().st_size != size:
            sys.exit(f"{path} has {path.stat().st_size} bytes instead of {size}")

    return check


def _write(path: Path, size: int) -> None:
    block = os.urandom(1 << 20)
    with path.open("wb") as file:
        for begin in range(0, size, len(block)):
            file.write(block[: size - begin])
