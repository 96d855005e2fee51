"""Processes that are killed in the middle of a transfer, and disks that are full."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dodas.staging.storage import Storage
from servers.apache import Apache
from servers.faults import Fault
from servers.faulty import Faulty
from servers.site import Site
from storages import MANY, content, left_in, storage

DATA = content()

# Does one transfer with one method of the client, and kills itself when so many bytes have passed.
_TRANSFER = """
import os, resource, signal, sys
from dodas.auth.credentials import Credentials
from dodas.errors import TransferError
from dodas.staging.storage import Storage

verb, source, target, deadly, limit = sys.argv[1:]
if int(limit):
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))

def watch(done, total):
    if done >= int(deadly) >= 0:
        os.kill(os.getpid(), signal.SIGKILL)

with Storage(credentials=Credentials.none()) as client:
    try:
        getattr(client, verb)(source, target, progress=watch)
    except TransferError as error:
        print(error, "|", error.hint)
        sys.exit(3)
"""


def transfer(
    verb: str, source: object, target: object, *, deadly: int = -1, limit: int = 0
) -> tuple[int, str]:
    """Do a transfer in a process of its own; return how it ended and what it said."""
    arguments = [verb, str(source), str(target), str(deadly), str(limit)]
    done = subprocess.run(
        [sys.executable, "-c", _TRANSFER, *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    assert not done.stderr
    return done.returncode, done.stdout


@pytest.fixture
def source(tmp_path: Path) -> Path:
    file = tmp_path / "source"
    file.write_bytes(DATA)
    return file


@pytest.fixture
def client() -> Iterator[Storage]:
    with storage() as client:
        yield client


@pytest.fixture(params=["apache", "xrootd"])
def site(request: pytest.FixtureRequest) -> Site:
    """Return a server of each kind."""
    found: Site = request.getfixturevalue(request.param)
    return found


def put_there(site: Site, data: bytes) -> None:
    """Place a file that is not of this second, so that its validator is a strong one."""
    (site.root / "f").write_bytes(data)
    os.utime(site.root / "f", (1e9, 1e9))


@pytest.mark.parametrize("deadly", [1, 1_500_000, MANY])
def test_a_download_that_was_killed_is_gone_on_with(
    deadly: int, site: Site, tmp_path: Path, client: Storage
) -> None:
    put_there(site, DATA)
    target = tmp_path / "got" / "f"
    target.parent.mkdir()
    status, _ = transfer("download", site.url("f"), target, deadly=deadly)
    assert status == -signal.SIGKILL
    assert not target.exists()
    [part] = [name for name in left_in(target.parent) if name.endswith(".part")]
    done = min((target.parent / part).stat().st_size, MANY - 1)
    with Faulty(site) as seen:
        # Only the host and port differ, which is another server to the client: it begins anew there.
        client.download(site.url("f"), target)
        assert not list(seen.asked())
    assert target.read_bytes() == DATA
    assert left_in(target.parent) == {"f"}
    assert done >= min(deadly, MANY - 1)


def test_it_is_gone_on_with_where_it_was(apache: Apache, tmp_path: Path, client: Storage) -> None:
    put_there(apache, DATA)
    target = tmp_path / "f"
    transfer("download", apache.url("f"), target, deadly=1_500_000)
    done = max(file.stat().st_size for file in tmp_path.glob(".dodas-*.part"))
    apache.forget()
    client.download(apache.url("f"), target)
    assert [one.headers.get("range") for one in apache.requests() if one.method == "GET"] == [
        f"bytes={done}-{MANY - 1}"
    ]


def test_it_begins_anew_if_the_file_is_another_one(site: Site, tmp_path: Path, client: Storage) -> None:
    put_there(site, DATA)
    target = tmp_path / "f"
    transfer("download", site.url("f"), target, deadly=1_500_000)
    other = content(seed=2)
    (site.root / "f").write_bytes(other)
    os.utime(site.root / "f", (2e9, 2e9))
    client.download(site.url("f"), target)
    assert target.read_bytes() == other


def test_what_is_left_is_no_obstacle_to_another_file(apache: Apache, tmp_path: Path, client: Storage) -> None:
    put_there(apache, DATA)
    (apache.root / "g").write_bytes(b"another")
    target = tmp_path / "f"
    transfer("download", apache.url("f"), target, deadly=1_500_000)
    client.download(apache.url("g"), target)
    assert target.read_bytes() == b"another"
    assert left_in(tmp_path) == {"f"}


@pytest.mark.parametrize("deadly", [1, 1_500_000])
def test_an_upload_that_was_killed_shows_nothing(
    deadly: int, site: Site, source: Path, client: Storage
) -> None:
    status, _ = transfer("upload", source, site.url("d/f"), deadly=deadly)
    assert status == -signal.SIGKILL
    assert not (site.root / "d" / "f").exists()
    client.upload(source, site.url("d/f"))
    assert (site.root / "d" / "f").read_bytes() == DATA


def test_a_disk_that_is_full(site: Site, tmp_path: Path) -> None:
    put_there(site, DATA)
    target = tmp_path / "got" / "f"
    target.parent.mkdir()
    status, said = transfer("download", site.url("f"), target, limit=1_000_000)
    assert status == 3
    assert "no room" in said and "free space" in said
    assert not left_in(target.parent), "what fills the disk had better go"


def test_a_file_larger_than_the_disk_is_not_begun(apache: Apache, tmp_path: Path) -> None:
    with Faulty(apache) as faulty:
        (apache.root / "f").write_bytes(DATA)
        faulty.fault(Fault(method="GET", path="/f", length=1 << 60))
        status, said = transfer("download", faulty.url("f"), tmp_path / "f")
    assert status == 3
    assert "no room" in said
    assert not left_in(tmp_path)
