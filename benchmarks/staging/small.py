"""Many small files, down and up, over http: what each request costs."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.local.table import Row
from benchmarks.staging.rounds import DODAS, Client, measure
from benchmarks.staging.servers import Bench

_OURS = (sys.executable, "-m", "benchmarks.staging.with_dodas")
_REQUESTS = (sys.executable, "-m", "benchmarks.staging.with_requests")
_SIZE = 4096
_AT_ONCE = "8"
_SLOW = 2  # rounds; rclone makes a pause of 10 ms between its requests
_CURL = ("curl", "-s", "-f", "--parallel", "--parallel-max", _AT_ONCE, "-K")
_RCLONE = ("--config", os.devnull, "--webdav-vendor", "other", "-q", "--transfers", _AT_ONCE)


def rows(bench: Bench, count: int) -> Iterator[Row]:
    """Measure with ``count`` files."""
    there, here, up = bench.plain.root / "small", bench.home / "small", bench.plain.root / "up"
    sources, old = bench.home / "sources", bench.home / "old"
    old.mkdir()
    for folder in (there, sources):
        folder.mkdir()
        for number in range(count):
            (folder / f"f{number}").write_bytes(os.urandom(_SIZE))
    yield from measure(
        f"{count} files of 4 KiB from Apache, http",
        list(_down(bench, here, count)),
        rounds=bench.rounds,
        environment=bench.environment,
        prepare=lambda: _anew(here, old),
    )
    yield from measure(
        f"{count} files of 4 KiB to Apache, http",
        list(_up(bench, sources, up, count)),
        rounds=bench.rounds,
        environment=bench.environment,
        prepare=lambda: _anew(up, old, 0o777),
    )
    for folder in (there, here, up, sources, old):
        shutil.rmtree(folder)


def _down(bench: Bench, here: Path, count: int) -> Iterator[Client]:
    pairs = [(bench.plain.url(f"small/f{number}"), str(here / f"f{number}")) for number in range(count)]
    listing, config = bench.home / "down", bench.home / "down.curl"
    listing.write_text("".join(f"{url} {path}\n" for url, path in pairs))
    config.write_text("".join(f'url = "{url}"\noutput = "{path}"\n' for url, path in pairs))
    check = _all_there(here, count)
    yield Client(how=DODAS, words=(*_OURS, "get-many", str(listing)), check=check)
    yield Client(how="curl --parallel", words=(*_CURL, str(config)), check=check)
    davix = ("davix-get", "-r", _AT_ONCE, _dav(bench, "small/"), str(here / "all"))
    yield Client(how="davix-get -r", words=davix, check=check)
    rclone = ("rclone", "copy", "--webdav-url", bench.plain.url(), *_RCLONE, ":webdav:small", str(here))
    yield Client(how="rclone", words=rclone, check=check, most=_SLOW)
    yield Client(how="requests", words=(*_REQUESTS, "get-many", str(listing)), check=check)


def _up(bench: Bench, sources: Path, up: Path, count: int) -> Iterator[Client]:
    pairs = [(str(sources / f"f{number}"), bench.plain.url(f"up/f{number}")) for number in range(count)]
    listing, config, sizes = (bench.home / f"up.{name}" for name in ("list", "curl", "sizes"))
    listing.write_text("".join(f"{path} {url}\n" for path, url in pairs))
    config.write_text("".join(f'upload-file = "{path}"\nurl = "{url}"\n' for path, url in pairs))
    sizes.write_text("head\n" + "".join(f'url = "{url}"\noutput = "{os.devnull}"\n' for _, url in pairs))
    check = _all_there(up, count)
    yield Client(how=DODAS, words=(*_OURS, "put-many", str(listing)), check=check)
    yield Client(how="curl --parallel", words=(*_CURL, str(config)), check=check)
    # As many requests as dodas sends, which looks whether the server has what was stored.
    both = " && exec ".join(" ".join((*_CURL, shlex.quote(str(one)))) for one in (config, sizes))
    yield Client(how="curl --parallel, then --head", words=("sh", "-c", both), check=check)
    davix = ("davix-put", "-r", _AT_ONCE, f"{sources}/", _dav(bench, "up/all"))
    # Its status is 255 when all went well (0.8.4).
    yield Client(how="davix-put -r", words=davix, check=check, status=255)
    rclone = ("rclone", "copy", "--webdav-url", bench.plain.url(), *_RCLONE, str(sources), ":webdav:up")
    yield Client(how="rclone", words=rclone, check=check, most=_SLOW)
    yield Client(how="requests", words=(*_REQUESTS, "put-many", str(listing)), check=check)


def _dav(bench: Bench, path: str) -> str:
    """Return a URL in the scheme without which davix does not see directories."""
    return bench.plain.url(path).replace("http:", "dav:", 1)


def _anew(folder: Path, old: Path, mode: int = 0o755) -> None:
    """Make an empty directory.

    What was in it is removed when all has been measured: where files have just been removed, ext4 searches
    for half a millisecond before it makes a new one, and hides what else there is to be measured.
    """
    if folder.exists():
        folder.rename(old / str(time.monotonic_ns()))
    folder.mkdir()
    folder.chmod(mode)


def _all_there(folder: Path, count: int) -> Callable[[], None]:
    def check() -> None:
        sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
        if sizes != [_SIZE] * count:
            sys.exit(f"{folder} has {len(sizes)} files instead of {count}, or they have other sizes")

    return check
