"""What the client promises, with each kind of server that runs here."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from dodas.errors import AlreadyThere, NotThere, SpecError, TransferError
from dodas.staging import urls
from dodas.staging.storage import Storage
from dodas.staging.values import Verified
from servers.pki import Pki
from storages import MANY, adler32, content, left_in, storage

DATA = content()
KINDS = (
    *("apache", "apache_tls", "xrootd", "xrootd_tls", "xrootd_federation", "xrootd_tokens"),
    *("dynafed", "dynafed_tls"),
)
NAMES = (
    "a blank",
    "100%",
    "a%20b",
    "#1",
    "a+b",
    "a&b;c=d",
    "naïve 日本語",
    "'quoted' \"twice\"",
    "~x",
    "-r",
)


@dataclass(frozen=True, kw_only=True)
class Case:
    """A server, and a client that may use it."""

    kind: str
    url: Callable[[str], str]
    client: Storage
    folder: str

    def named(self, name: str) -> str:
        """Return the URL of a name that is not encoded, in a directory of this test alone."""
        return self.url(f"{self.folder}/{urls.quoted(name)}")

    @property
    def tells_checksums(self) -> bool:
        return self.kind.startswith("xrootd")

    @property
    def is_federation(self) -> bool:
        return "dynafed" in self.kind or "federation" in self.kind


@pytest.fixture(params=KINDS)
def case(request: pytest.FixtureRequest, pki: Pki) -> Iterator[Case]:
    server = request.getfixturevalue(request.param)
    token = ""
    if request.param == "xrootd_tokens":
        token = request.getfixturevalue("issuer").token("storage.read:/ storage.modify:/")
    folder = f"t{abs(hash(request.node.name)):x}"  # a federation remembers the names of other tests
    with storage(pki, token=token) as client:
        yield Case(kind=request.param, url=server.url, client=client, folder=folder)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    file = tmp_path / "source"
    file.write_bytes(DATA)
    return file


def fetched(case: Case, url: str, tmp_path: Path) -> bytes:
    target = tmp_path / "got" / "file"
    target.parent.mkdir(exist_ok=True)
    case.client.download(url, target, overwrite=True)
    assert left_in(target.parent) == {"file"}
    return target.read_bytes()


def test_what_is_stored_is_fetched(case: Case, source: Path, tmp_path: Path) -> None:
    told: list[tuple[int, int | None]] = []
    stored = case.client.upload(source, case.named("new/deep/f"), progress=lambda *one: told.append(one))
    assert told[-1] == (MANY, MANY)
    assert (stored.size, stored.checksums) == (MANY, (adler32(DATA),))
    assert stored.verified is (Verified.CHECKSUM if case.tells_checksums else stored.verified)
    assert stored.verified is not Verified.NOTHING
    assert fetched(case, case.named("new/deep/f"), tmp_path) == DATA
    entry = case.client.stat(case.named("new/deep/f"))
    assert (entry.size, entry.is_directory) == (MANY, False)


def test_how_far_it_was_verified_is_said(case: Case, source: Path, tmp_path: Path) -> None:
    case.client.upload(source, case.named("f"))
    got = case.client.download(case.named("f"), tmp_path / "f")
    wanted = Verified.CHECKSUM if case.tells_checksums else Verified.SIZE
    assert got.verified is wanted or case.kind == "dynafed_tls"
    told = case.client.checksum(case.named("f"))
    assert told == adler32(DATA) if case.tells_checksums else told is None or case.kind == "dynafed_tls"


@pytest.mark.parametrize("size", [0, 1, 65_536, 65_537])
def test_sizes_at_which_something_changes(size: int, case: Case, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(content(size))
    case.client.upload(tmp_path / "f", case.named("f"))
    assert fetched(case, case.named("f"), tmp_path) == content(size)


def test_names_that_are_hard_to_write(case: Case, source: Path, tmp_path: Path) -> None:
    source.write_bytes(b"content")
    names = NAMES[:4] if case.kind == "xrootd_federation" else NAMES  # it takes seconds for each new name
    for name in names:
        case.client.upload(source, case.named(name))
    for name in names:
        assert fetched(case, case.named(name), tmp_path) == b"content"
    listed = {entry.name for entry in case.client.entries(case.named(""))}
    assert listed == set(names) or case.kind == "xrootd_federation"  # which lists one of its servers
    for name in names:
        case.client.remove(case.named(name))
    with pytest.raises(NotThere):
        case.client.stat(case.named(names[0]))


def test_a_question_mark_in_a_name(case: Case, source: Path, tmp_path: Path) -> None:
    """XRootD cuts it there; nothing must happen to the file that has the rest of the name."""
    source.write_bytes(b"mine")
    case.client.upload(source, case.named("what"))
    source.write_bytes(b"question")
    if not case.kind.startswith("xrootd"):
        if case.kind == "dynafed_tls":
            pytest.skip("it depends on which of its sites is asked")
        case.client.upload(source, case.named("what?"))
        assert fetched(case, case.named("what?"), tmp_path) == b"question"
        case.client.remove(case.named("what?"))
    else:
        for use in (
            lambda url: case.client.upload(source, url, overwrite=True),
            lambda url: case.client.download(url, tmp_path / "never"),
            case.client.remove,
            case.client.stat,
        ):
            with pytest.raises((SpecError, NotThere)):
                use(case.named("what?"))
    assert fetched(case, case.named("what"), tmp_path) == b"mine"


def test_nothing_is_replaced_unless_asked(case: Case, source: Path, tmp_path: Path) -> None:
    case.client.upload(source, case.named("f"))
    source.write_bytes(b"new")
    with pytest.raises(AlreadyThere):
        case.client.upload(source, case.named("f"))
    assert fetched(case, case.named("f"), tmp_path) == DATA
    case.client.upload(source, case.named("f"), overwrite=True)
    assert fetched(case, case.named("f"), tmp_path) == b"new"


def test_a_directory_is_not_removed_by_mistake(case: Case, source: Path) -> None:
    for name in ("d/f", "d/e/g"):
        case.client.upload(source, case.named(name))
    with pytest.raises(TransferError, match="directory"):
        case.client.remove(case.named("d"))
    assert case.client.stat(case.named("d/e/g")).size == MANY
    if case.is_federation:
        return  # their directories are not of one server
    case.client.remove(case.named("d"), recursive=True)
    with pytest.raises(NotThere):
        case.client.stat(case.named("d"))


def test_directories_are_made(case: Case) -> None:
    if case.is_federation:
        pytest.skip("it has those that its files are in")
    case.client.make_directory(case.named("a/b/c"))
    case.client.make_directory(case.named("a/b/c"))
    assert case.client.stat(case.named("a/b/c")).is_directory


def test_a_copy_within(case: Case, source: Path, tmp_path: Path) -> None:
    case.client.upload(source, case.named("f"))
    copied = case.client.copy(case.named("f"), case.named("d/a copy"))
    assert copied.size == MANY
    assert fetched(case, case.named("d/a copy"), tmp_path) == DATA
    with pytest.raises(AlreadyThere):
        case.client.copy(case.named("f"), case.named("d/a copy"))
    with pytest.raises(NotThere):
        case.client.copy(case.named("no"), case.named("never"))


def test_nothing_is_there(case: Case, tmp_path: Path) -> None:
    with pytest.raises(NotThere):
        case.client.download(case.named("no"), tmp_path / "no")
    with pytest.raises(NotThere):
        case.client.remove(case.named("no"))
    with pytest.raises(NotThere):
        case.client.stat(case.named("no"))
    assert not left_in(tmp_path)


def test_many_at_once(case: Case, tmp_path: Path) -> None:
    count = 5 if case.kind == "xrootd_federation" else 20
    for number in range(count):
        (tmp_path / f"in{number}").write_bytes(content(1000, seed=number))
    ends: list[object] = []
    names = [(tmp_path / f"in{number}", case.named(f"f{number}")) for number in range(count)]
    case.client.upload_many(names, lambda *one: ends.append(one[2]))
    wanted = [(url, tmp_path / f"{os.path.basename(path)}.back") for path, url in names]
    wanted.insert(3, (case.named("no"), tmp_path / "no"))
    case.client.download_many(wanted, lambda *one: ends.append(one[2]))
    failed = [one for one in ends if isinstance(one, Exception)]
    assert len(ends) == 2 * count + 1 and len(failed) == 1 and isinstance(failed[0], NotThere)
    for number in range(count):
        assert (tmp_path / f"in{number}.back").read_bytes() == content(1000, seed=number)
