"""Small files: held in memory until they are right, and then written at once."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dodas.errors import AlreadyThere, TransferError
from dodas.staging import dialing, parts
from dodas.staging.drafts import SMALL, Held
from dodas.staging.storage import Storage
from dodas.staging.values import Expected
from servers.apache import Apache
from servers.scripted import Answer, scripted
from storages import adler32, content, fetched_at_once, left_in, storage

DATA = content(5000)


@pytest.fixture
def client() -> Iterator[Storage]:
    with storage() as client:
        yield client


@pytest.fixture(params=["nameless", "renamed"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Write files as this disk can, and as any disk can."""
    monkeypatch.setattr(Held, "nameless", request.param == "nameless")
    return str(request.param)


@pytest.fixture
def url(apache: Apache) -> str:
    (apache.root / "f").write_bytes(DATA)
    return apache.url("f")


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("size", [0, 1, SMALL, SMALL + 1])
def test_it_comes_whole_and_leaves_nothing_else(
    size: int, apache: Apache, tmp_path: Path, client: Storage
) -> None:
    data = content(size)
    (apache.root / "g").write_bytes(data)
    told: list[tuple[int, int | None]] = []
    received = client.download(
        apache.url("g"),
        tmp_path / "g",
        modified=1e9,
        progress=lambda done, total: told.append((done, total)),
    )
    assert (tmp_path / "g").read_bytes() == data
    assert (tmp_path / "g").stat().st_mtime == 1e9
    assert (tmp_path / "g").stat().st_mode & 0o777 == 0o666 & ~_umask()
    assert (received.size, received.checksums) == (size, (adler32(data),))
    assert told[-1:] == ([(size, size)] if size else [])
    assert left_in(tmp_path) == {"g"}


@pytest.mark.usefixtures("way")
def test_what_is_there_is_replaced_only_when_that_is_wanted(
    url: str, tmp_path: Path, client: Storage
) -> None:
    (tmp_path / "f").write_text("old")
    with pytest.raises(AlreadyThere):
        client.download(url, tmp_path / "f")
    assert (tmp_path / "f").read_text() == "old"
    client.download(url, tmp_path / "f", overwrite=True)
    assert (tmp_path / "f").read_bytes() == DATA
    assert left_in(tmp_path) == {"f"}


@pytest.mark.usefixtures("way")
def test_what_appears_meanwhile_stays(url: str, tmp_path: Path, client: Storage) -> None:
    def appear(done: int, total: int | None) -> None:
        (tmp_path / "f").write_text("somebody else's")

    with pytest.raises(AlreadyThere):
        client.download(url, tmp_path / "f", progress=appear)
    assert (tmp_path / "f").read_text() == "somebody else's"
    assert left_in(tmp_path) == {"f"}


@pytest.mark.usefixtures("way")
def test_what_is_wrong_gets_no_name(url: str, tmp_path: Path, client: Storage) -> None:
    with pytest.raises(TransferError, match="adler32"):
        client.download(url, tmp_path / "f", expected=Expected(checksums=(adler32(b"other"),)))
    assert not left_in(tmp_path)


@pytest.mark.usefixtures("way")
def test_no_directory_is_no_reason_to_do_without_nameless_files(
    url: str, tmp_path: Path, client: Storage
) -> None:
    before = Held.nameless
    with pytest.raises(TransferError) as caught:
        client.download(url, tmp_path / "none" / "f")
    assert caught.value.hint == "make its directory first"
    assert Held.nameless is before


@pytest.mark.parametrize("missing", ["files without a name", "/proc"])
def test_a_machine_that_cannot_do_that(
    missing: str, url: str, tmp_path: Path, client: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Held, "nameless", True)
    real_open, real_link = os.open, os.link

    def opening(path: str, flags: int, mode: int = 0o777) -> int:
        if flags & os.O_TMPFILE == os.O_TMPFILE:
            raise OSError(errno.EOPNOTSUPP, "not supported")
        return real_open(path, flags, mode)

    def linking(source: str, target: str, **options: Any) -> None:
        if source.startswith("/proc/"):
            raise FileNotFoundError(errno.ENOENT, "no such file")
        real_link(source, target, **options)

    if missing == "/proc":
        monkeypatch.setattr(os, "link", linking)
    else:
        monkeypatch.setattr(os, "open", opening)
    for name in ("f", "g"):
        client.download(url, tmp_path / name)
        assert (tmp_path / name).read_bytes() == DATA
    assert not Held.nameless
    assert left_in(tmp_path) == {"f", "g"}


def test_a_full_disk_is_told_and_leaves_nothing(
    url: str, tmp_path: Path, client: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(fd: int, data: memoryview) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    for nameless in (True, False):
        monkeypatch.setattr(Held, "nameless", nameless)
        with monkeypatch.context() as patched, pytest.raises(TransferError, match="no room"):
            patched.setattr("dodas.staging.drafts.os.write", full)
            client.download(url, tmp_path / "f")
        assert not left_in(tmp_path)


def test_what_somebody_left_is_used_up(url: str, tmp_path: Path, client: Storage) -> None:
    with parts.opened(str(tmp_path / "f"), resume=False) as part:
        [name] = os.listdir(tmp_path)
        part.discard()
    (tmp_path / name).write_bytes(b"x" * 10_000)
    client.download(url, tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == DATA
    assert left_in(tmp_path) == {"f"}


def test_a_large_one_that_somebody_else_began_meanwhile(
    apache: Apache, tmp_path: Path, client: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = content()
    (apache.root / "large").write_bytes(data)
    seen: list[str] = []

    def is_begun(target: str) -> bool:
        seen.append(target)
        return len(seen) > 1  # not when it began, but when it turned out to be large

    monkeypatch.setattr(parts, "is_begun", is_begun)
    client.download(apache.url("large"), tmp_path / "f")
    assert len(seen) == 2
    assert [one.method for one in apache.requests()].count("GET") == 2
    assert (tmp_path / "f").read_bytes() == data


def test_many_that_make_the_same_file(url: str, tmp_path: Path, client: Storage) -> None:
    outcomes = fetched_at_once(client, url, tmp_path / "f", 8)
    assert outcomes == [*["AlreadyThere"] * 7, "Received"]
    assert (tmp_path / "f").read_bytes() == DATA
    assert left_in(tmp_path) == {"f"}


def test_one_that_breaks_off_is_gone_on_with(tmp_path: Path, client: Storage) -> None:
    head = b'HTTP/1.1 %s\r\nETag: "e"\r\nContent-Length: %d\r\n'
    first = head % (b"200 OK", len(DATA)) + b"\r\n" + DATA[:3000]
    rest = (
        head % (b"206 Partial Content", 2000) + b"Content-Range: bytes 3000-4999/5000\r\n\r\n" + DATA[3000:]
    )
    with scripted(Answer(data=first, then="close"), Answer(data=rest, then="close")) as server:
        client.download(server.url(), tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == DATA
    assert left_in(tmp_path) == {"f"}


def test_uploads_share_connections(
    apache: Apache, tmp_path: Path, client: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    dialled: list[object] = []

    def dial(*arguments: object, **options: float) -> object:
        dialled.append(arguments)
        return dialing.dial(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr("dodas.staging.exchange.dial", dial)
    for number in range(5):
        (tmp_path / f"f{number}").write_bytes(DATA)
        client.upload(tmp_path / f"f{number}", apache.url(f"f{number}"))
    assert len(dialled) == 1


def _umask() -> int:
    old = os.umask(0o22)
    os.umask(old)
    return old
