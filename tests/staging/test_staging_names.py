"""Every name a file can have goes there and back unchanged, on every kind of storage."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dodas.auth.credentials import Credentials
from dodas.errors import AlreadyThere, NotThere, SpecError
from dodas.staging import urls
from dodas.staging.settings import Settings
from dodas.staging.storage import Storage
from dodas.staging.urls import Url
from dodas.staging.values import Verified
from hostile_names import CONTROLS, NAMES, QUESTIONS
from servers.apache import Apache
from servers.dynafed import Dynafed
from servers.xrootd import Xrootd

BYTES = os.fsdecode(b"a\xe9\xffb")  # no text in any encoding
OF_ALL = (*NAMES, BYTES)


class Kind:
    """A storage, seen from both sides.

    Attributes:
        base: The URL of the directory that tests use.
        roots: Where it is on disks.
        checksums: Whether the storage tells them.
        names: That it can have.
    """

    names: tuple[str, ...] = OF_ALL

    def __init__(self, base: str, *roots: Path, checksums: bool) -> None:
        self.base = urls.parse(base.replace("http", "dav", 1)).as_directory
        self.roots = roots
        self.checksums = checksums

    def url(self, *names: str) -> str:
        return str(urls.join(self.base, "/".join(names)))

    def stored(self, *names: str) -> set[bytes]:
        """Return the contents of a file, wherever it is."""
        files = [root.joinpath(*names) for root in self.roots]
        return {file.read_bytes() for file in files if file.is_file()}

    def everything(self) -> list[str]:
        return sorted(path.name for root in self.roots for path in root.rglob("*"))


@pytest.fixture(params=["apache", "xrootd", "dynafed"])
def kind(request: pytest.FixtureRequest) -> Kind:
    server = request.getfixturevalue(request.param)
    if isinstance(server, Dynafed):
        roots = [endpoint.root / "d" for endpoint in server.endpoints]
        roots[0].mkdir()
        kind = Kind(server.url("d"), *roots, checksums=False)
        kind.names = NAMES  # the stand-in is text all through
        return kind
    assert isinstance(server, Apache | Xrootd)
    (server.root / "d").mkdir()
    return Kind(server.url("d"), server.root / "d", checksums=isinstance(server, Xrootd))


@pytest.fixture
def storage() -> Iterator[Storage]:
    with Storage(Settings(attempts=3, idle_timeout=8), Credentials.none()) as storage:
        yield storage


@pytest.fixture
def local(tmp_path: Path) -> Callable[[str], Path]:
    def make(content: str) -> Path:
        path = tmp_path / "what is uploaded"
        path.write_bytes(content.encode(errors="surrogateescape"))
        return path

    return make


def test_there_and_back(kind: Kind, storage: Storage, local: Callable[[str], Path], tmp_path: Path) -> None:
    for name in kind.names:
        url = kind.url(name)
        stored = storage.upload(local(name), url)
        assert stored.url == url
        assert stored.verified is (Verified.CHECKSUM if kind.checksums else Verified.SIZE)
        assert kind.stored(name) == {os.fsencode(name)}
        with pytest.raises(AlreadyThere):
            storage.upload(local(name), url)
        target = tmp_path / f"got {name}"[:200] if len(os.fsencode(name)) < 250 else tmp_path / "got"
        received = storage.download(url, target)
        assert target.read_bytes() == os.fsencode(name)
        assert received.size == len(os.fsencode(name))
        found = storage.stat(url)
        assert (found.name, found.size, found.is_directory, found.url) == (name, received.size, False, url)
    assert {entry.name for entry in storage.entries(str(kind.base))} == set(kind.names)
    assert {entry.url for entry in storage.walk(str(kind.base))} == {kind.url(name) for name in kind.names}
    for name in kind.names:
        [only] = storage.matching(kind.url(name))
        assert only.name == name
        storage.remove(only.url)
        with pytest.raises(NotThere):
            storage.stat(only.url)
    assert kind.everything() == []


def test_replaced_and_copied(kind: Kind, storage: Storage, local: Callable[[str], Path]) -> None:
    for name in kind.names:
        source, copy = kind.url(name), kind.url("copies", name)
        storage.upload(local("before"), source)
        storage.upload(local(name), source, overwrite=True)
        assert storage.copy(source, copy).url == copy
        assert kind.stored(name) == kind.stored("copies", name) == {os.fsencode(name)}
    storage.remove(kind.url("copies"), recursive=True)
    assert sorted(kind.everything()) == sorted(kind.names)


def test_directories(kind: Kind, storage: Storage, local: Callable[[str], Path]) -> None:
    for name in kind.names:
        storage.upload(local(name), kind.url(name, name, "f"))  # which makes both
        assert kind.stored(name, name, "f") == {os.fsencode(name)}
        found = {entry.url for entry in storage.walk(kind.url(name))}
        assert found == {kind.url(name, name) + "/", kind.url(name, name, "f")}
        assert storage.stat(kind.url(name)).is_directory
    for name in kind.names:
        storage.remove(kind.url(name), recursive=True)
    assert kind.everything() == []


def test_many_at_once(kind: Kind, storage: Storage, tmp_path: Path) -> None:
    (tmp_path / "up").mkdir()
    (tmp_path / "down").mkdir()
    for name in kind.names:
        (tmp_path / "up" / name).write_bytes(os.fsencode(name))
    done: list[object] = []
    pairs = [(tmp_path / "up" / name, kind.url(name)) for name in kind.names]
    storage.upload_many(pairs, lambda *_: done.append(_[-1]), at_once=3)
    pairs_back = [(kind.url(name), tmp_path / "down" / name) for name in kind.names]
    storage.download_many(pairs_back, lambda *_: done.append(_[-1]), at_once=3)
    assert [str(one) for one in done if isinstance(one, Exception)] == []
    assert {name: (tmp_path / "down" / name).read_bytes() for name in os.listdir(tmp_path / "down")} == {
        name: os.fsencode(name) for name in kind.names
    }


@pytest.mark.parametrize("name", [*QUESTIONS, *CONTROLS])
def test_the_hardest_where_they_can_be(
    apache: Apache, storage: Storage, local: Callable[[str], Path], tmp_path: Path, name: str
) -> None:
    (apache.root / "d").mkdir()
    kind = Kind(apache.url("d"), apache.root / "d", checksums=False)
    storage.upload(local(name), kind.url(name))
    assert kind.stored(name) == {name.encode()}
    assert [entry.name for entry in storage.entries(str(kind.base))] == [name]
    storage.download(kind.url(name), tmp_path / "got")
    assert (tmp_path / "got").read_bytes() == name.encode()
    storage.copy(kind.url(name), kind.url("copy"))
    storage.remove(kind.url(name))
    assert kind.everything() == ["copy"]


@pytest.mark.parametrize("name", QUESTIONS)
def test_what_xrootd_would_take_for_another_name(
    xrootd: Xrootd, storage: Storage, local: Callable[[str], Path], tmp_path: Path, name: str
) -> None:
    (xrootd.root / "a").write_text("precious")
    url = str(urls.join(urls.parse(xrootd.url().replace("http", "dav", 1)), name))
    doings: list[Callable[[], object]] = [
        lambda: storage.upload(local("x"), url),
        lambda: storage.upload(local("x"), url, overwrite=True),
        lambda: storage.download(url, tmp_path / "got"),
        lambda: storage.remove(url),
        lambda: storage.remove(url, recursive=True),
        lambda: storage.stat(url),
        lambda: storage.checksum(url),
        lambda: storage.make_directory(url),
        lambda: storage.copy(url, f"{xrootd.url()}copy"),
        lambda: storage.copy(f"{xrootd.url()}a", url),
    ]
    for doing in doings:
        with pytest.raises((SpecError, NotThere)):
            doing()
    assert not (tmp_path / "got").exists()
    assert {path.name: path.read_text() for path in xrootd.root.iterdir()} == {"a": "precious"}


@pytest.mark.parametrize("name", CONTROLS)
def test_what_xrootd_cannot_name(
    xrootd: Xrootd, storage: Storage, local: Callable[[str], Path], tmp_path: Path, name: str
) -> None:
    (xrootd.root / "a").write_text("precious")
    url = str(urls.join(urls.parse(xrootd.url().replace("http", "dav", 1)), name))
    doings: list[Callable[[], object]] = [
        lambda: storage.upload(local("x"), url),
        lambda: storage.upload(local("x"), url, overwrite=True),
        lambda: storage.download(url, tmp_path / "got"),
        lambda: storage.remove(url),
    ]
    for doing in doings:
        with pytest.raises((SpecError, NotThere)):
            doing()
    assert {path.name: path.read_text() for path in xrootd.root.iterdir()} == {"a": "precious"}


class TestAsWritten:
    """What a user types, without encoding anything."""

    @pytest.mark.parametrize("name", [name for name in (*NAMES, *QUESTIONS) if "%" not in name])
    @pytest.mark.parametrize("scheme", ["dav", "davs", "dynafed"])
    def test_after_the_schemes_of_storage(self, scheme: str, name: str) -> None:
        url = urls.parse(f"{scheme}://host/d/{name}")
        assert url.name == name
        assert urls.parse(str(url)) == url

    @pytest.mark.parametrize("name", [*NAMES, *QUESTIONS, *CONTROLS, BYTES])
    def test_literally(self, name: str) -> None:
        url = urls.parse(f"davs://host/d/{name}", literal=True)
        assert url.name == name
        assert url == urls.join(directory(), name) == urls.parse(str(url))


def directory() -> Url:
    return urls.parse("davs://host/d/")
