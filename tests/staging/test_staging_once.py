"""One fetch of a file for all processes of a machine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dodas.errors import AlreadyThere, Corrupt, NotThere
from dodas.staging.once import Cache
from dodas.staging.storage import Storage
from dodas.staging.values import Expected
from servers.apache import Apache
from servers.faults import Fault
from servers.faulty import Faulty
from storages import adler32, content, storage

DATA = content()

# Fetches a file, and kills itself when so many bytes have passed.
_FETCH = """
import os, signal, sys
from dodas.auth.credentials import Credentials
from dodas.staging.once import Cache
from dodas.staging.storage import Storage

path, url, deadly = sys.argv[1:]

def watch(done, total):
    if done >= int(deadly) >= 0:
        os.kill(os.getpid(), signal.SIGKILL)

with Storage(credentials=Credentials.none()) as client, Cache(path, 1 << 30) as cache:
    print(os.stat(cache.fetch(client, url, progress=watch)).st_ino)
"""


def fetch(path: Path, url: str, deadly: int = -1) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", _FETCH, str(path), url, str(deadly)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


@pytest.fixture
def client() -> Iterator[Storage]:
    with storage() as client:
        yield client


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[Cache]:
    with Cache(str(tmp_path / "cache"), 10_000_000) as cache:
        yield cache


def gets(apache: Apache) -> int:
    return len([one for one in apache.requests() if one.method == "GET"])


def kept(cache: Cache) -> set[int]:
    return {file.stat().st_size for file in Path(cache.path).glob("files/*/file")}


def test_one_fetch_for_all_processes(apache: Apache, tmp_path: Path) -> None:
    (apache.root / "f").write_bytes(DATA)
    running = [fetch(tmp_path / "cache", apache.url("f")) for _ in range(4)]
    said = {one.communicate(timeout=60)[0] for one in running}
    assert [one.returncode for one in running] == [0] * 4
    assert len(said) == 1, "all have the same file"
    assert gets(apache) == 1


def test_one_fetch_for_all_threads(apache: Apache, cache: Cache, client: Storage) -> None:
    (apache.root / "f").write_bytes(DATA)
    with ThreadPoolExecutor(8) as threads:
        paths = set(threads.map(lambda _: cache.fetch(client, apache.url("f")), range(8)))
    assert [Path(path).read_bytes() for path in paths] == [DATA]
    assert gets(apache) == 1


def test_whoever_comes_next_goes_on_where_one_was_killed(
    apache: Apache, cache: Cache, client: Storage
) -> None:
    (apache.root / "f").write_bytes(DATA)
    os.utime(apache.root / "f", (1e9, 1e9))
    with fetch(Path(cache.path), apache.url("f"), deadly=1_000_000) as killed:
        assert killed.wait(timeout=60) == -signal.SIGKILL
    apache.forget()
    assert Path(cache.fetch(client, apache.url("f"))).read_bytes() == DATA
    [again] = [one for one in apache.requests() if one.method == "GET"]
    assert again.headers["range"].startswith("bytes=")


def test_who_waits_takes_over_from_one_that_is_killed(apache: Apache, cache: Cache, client: Storage) -> None:
    with Faulty(apache) as faulty:
        (apache.root / "f").write_bytes(DATA)
        hanging = faulty.fault(Fault(method="GET", hang_after=500_000, times=1))
        with fetch(Path(cache.path), faulty.url("f")) as first, ThreadPoolExecutor(1) as threads:
            while not hanging.happened:
                assert first.poll() is None
            second = threads.submit(cache.fetch, client, faulty.url("f"))
            first.kill()
            assert Path(second.result(timeout=60)).read_bytes() == DATA


def test_a_file_is_fetched_again_when_it_has_changed(apache: Apache, cache: Cache, client: Storage) -> None:
    (apache.root / "f").write_bytes(b"first")
    assert Path(cache.fetch(client, apache.url("f"))).read_bytes() == b"first"
    (apache.root / "f").write_bytes(b"the second")
    assert Path(cache.fetch(client, apache.url("f"))).read_bytes() == b"the second"


def test_what_is_known_by_its_checksum_is_not_asked_for_again(
    apache: Apache, cache: Cache, client: Storage
) -> None:
    (apache.root / "f").write_bytes(DATA)
    expected = Expected(size=len(DATA), checksums=(adler32(DATA),))
    path = cache.fetch(client, apache.url("f"), expected)
    apache.forget()
    assert cache.fetch(client, apache.url("f"), expected) == path
    assert not apache.requests()


def test_nobody_can_write_what_is_in_it(apache: Apache, cache: Cache, client: Storage) -> None:
    (apache.root / "f").write_bytes(DATA)
    assert os.stat(cache.fetch(client, apache.url("f"))).st_mode & 0o222 == 0


def test_what_was_changed_all_the_same_is_fetched_again(
    apache: Apache, cache: Cache, client: Storage
) -> None:
    (apache.root / "f").write_bytes(DATA)
    path = Path(cache.fetch(client, apache.url("f")))
    path.chmod(0o600)
    path.write_bytes(b"x" * len(DATA))
    assert Path(cache.fetch(client, apache.url("f"))).read_bytes() == DATA


def test_the_longest_unused_goes_when_it_is_full(apache: Apache, cache: Cache, client: Storage) -> None:
    for number in range(5):
        (apache.root / f"f{number}").write_bytes(bytes(3_000_000 + number))
        cache.release(cache.fetch(client, apache.url(f"f{number}")))
    assert kept(cache) == {3_000_002, 3_000_003, 3_000_004}


def test_what_is_in_use_stays(apache: Apache, cache: Cache, client: Storage, tmp_path: Path) -> None:
    for number in range(6):
        (apache.root / f"f{number}").write_bytes(bytes(3_000_000 + number))
    held = cache.fetch(client, apache.url("f0"))
    cache.place(client, apache.url("f1"), str(tmp_path / "linked"))
    for number in range(2, 6):
        cache.release(cache.fetch(client, apache.url(f"f{number}")))
    assert {3_000_000, 3_000_001} <= kept(cache)
    assert Path(held).stat().st_size == 3_000_000


def test_what_is_damaged_or_missing_leaves_nothing(apache: Apache, cache: Cache, client: Storage) -> None:
    (apache.root / "f").write_bytes(DATA)
    with pytest.raises(Corrupt):
        cache.fetch(client, apache.url("f"), Expected(checksums=(adler32(b"other"),)))
    with pytest.raises(NotThere):
        cache.fetch(client, apache.url("no"))
    assert not kept(cache)


@pytest.mark.parametrize("private", [False, True])
def test_a_file_is_placed(
    private: bool, apache: Apache, cache: Cache, client: Storage, tmp_path: Path
) -> None:
    (apache.root / "f").write_bytes(DATA)
    target = tmp_path / "target"
    cache.place(client, apache.url("f"), str(target), private=private)
    assert target.read_bytes() == DATA
    assert os.access(target, os.W_OK) or not private
    if private:
        target.write_bytes(b"mine")
        assert Path(cache.fetch(client, apache.url("f"))).read_bytes() == DATA
    with pytest.raises(AlreadyThere):
        cache.place(client, apache.url("f"), str(target))
