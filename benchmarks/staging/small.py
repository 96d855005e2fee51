"""Many small files, down and up, over http: what each request costs."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.local.table import Row
from benchmarks.staging.rounds import DODAS, Client, measure
from benchmarks.staging.servers import Bench

_OURS = (sys.executable, "-m", "benchmarks.staging.with_dodas")
_REQUESTS = (sys.executable, "-m", "benchmarks.staging.with_requests")
_SIZE = 4096
_AT_ONCE = "8"
_RCLONE = ("--config", os.devnull, "--webdav-vendor", "other", "-q", "--transfers", _AT_ONCE)


def rows(bench: Bench, count: int) -> Iterator[Row]:
    """Measure with ``count`` files."""
    there, here, up = bench.plain.root / "small", bench.home / "small", bench.plain.root / "up"
    sources = bench.home / "sources"
    for folder in (there, sources):
        folder.mkdir()
        for number in range(count):
            (folder / f"f{number}").write_bytes(os.urandom(_SIZE))
    yield from measure(
        f"{count} files of 4 KiB from Apache, http",
        list(_down(bench, here, count)),
        rounds=bench.rounds,
        environment=bench.environment,
        prepare=lambda: _anew(here),
    )
    yield from measure(
        f"{count} files of 4 KiB to Apache, http",
        list(_up(bench, sources, up, count)),
        rounds=bench.rounds,
        environment=bench.environment,
        prepare=lambda: _anew(up, 0o777),
    )
    for folder in (there, here, up, sources):
        shutil.rmtree(folder)


def _down(bench: Bench, here: Path, count: int) -> Iterator[Client]:
    pairs = [(bench.plain.url(f"small/f{number}"), str(here / f"f{number}")) for number in range(count)]
    listing, config = bench.home / "down", bench.home / "down.curl"
    listing.write_text("".join(f"{url} {path}\n" for url, path in pairs))
    config.write_text("".join(f'url = "{url}"\noutput = "{path}"\n' for url, path in pairs))
    check = _all_there(here, count)
    yield Client(how=DODAS, words=(*_OURS, "get-many", str(listing)), check=check)
    words = ("curl", "-s", "-f", "--parallel", "--parallel-max", _AT_ONCE, "-K", str(config))
    yield Client(how="curl --parallel", words=words, check=check)
    base = ("--webdav-url", bench.plain.url())
    rclone = ("rclone", "copy", *base, *_RCLONE, ":webdav:small", str(here))
    yield Client(how="rclone", words=rclone, check=check, once=True)
    yield Client(how="requests", words=(*_REQUESTS, "get-many", str(listing)), check=check)


def _up(bench: Bench, sources: Path, up: Path, count: int) -> Iterator[Client]:
    pairs = [(str(sources / f"f{number}"), bench.plain.url(f"up/f{number}")) for number in range(count)]
    listing, config = bench.home / "up.list", bench.home / "up.curl"
    listing.write_text("".join(f"{path} {url}\n" for path, url in pairs))
    config.write_text("".join(f'upload-file = "{path}"\nurl = "{url}"\n' for path, url in pairs))
    check = _all_there(up, count)
    yield Client(how=DODAS, words=(*_OURS, "put-many", str(listing)), check=check)
    words = ("curl", "-s", "-f", "--parallel", "--parallel-max", _AT_ONCE, "-K", str(config))
    yield Client(how="curl --parallel", words=words, check=check)
    base = ("--webdav-url", bench.plain.url())
    rclone = ("rclone", "copy", *base, *_RCLONE, str(sources), ":webdav:up")
    yield Client(how="rclone", words=rclone, check=check, once=True)
    yield Client(how="requests", words=(*_REQUESTS, "put-many", str(listing)), check=check)


def _anew(folder: Path, mode: int = 0o755) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    folder.chmod(mode)


def _all_there(folder: Path, count: int) -> Callable[[], None]:
    def check() -> None:
        sizes = [entry.stat().st_size for entry in os.scandir(folder)]
        if sizes != [_SIZE] * count:
            sys.exit(f"{folder} has {len(sizes)} files instead of {count}, or they have other sizes")

    return check
