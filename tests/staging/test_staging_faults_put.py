"""Uploads while something goes wrong: the file is there whole, or it is not there; nothing is left of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dodas.errors import AlreadyThere, Corrupt, NotAllowed, StorageUnreachable, TransferError
from dodas.staging.storage import Storage
from dodas.staging.values import Verified
from servers.dynafed import Dynafed
from servers.faults import Fault
from servers.faulty import Faulty
from servers.pki import Pki
from servers.site import Site
from servers.xrootd import Xrootd
from storages import MANY, adler32, content, left_in, storage

DATA = content()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    file = tmp_path / "source"
    file.write_bytes(DATA)
    return file


@pytest.fixture(params=["apache", "apache, known as one", "xrootd"])
def site(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Faulty]:
    """Return a faulty proxy before a server of each kind; through it, Apache is not known as such."""
    kind, _, known = request.param.partition(", ")
    if known:
        monkeypatch.setattr("dodas.staging.servers._is_apache_with_a_disk", lambda _: True)
    behind: Site = request.getfixturevalue(kind)
    with Faulty(behind) as proxy:
        yield proxy


@pytest.fixture
def client() -> Iterator[Storage]:
    with storage() as client:
        yield client


def has(site: Site, name: str, data: bytes = DATA) -> bool:
    """Tell whether a site has a file, and nothing but it."""
    return (site.root / name).read_bytes() == data and left_in(site.root) == {name}


@pytest.mark.parametrize("at", [0, 1, 70_000, 2_000_000])
def test_a_connection_that_is_cut_anywhere(at: int, site: Faulty, source: Path, client: Storage) -> None:
    fault = site.fault(Fault(method="PUT", cut_after=at, cut_request=True, times=2))
    client.upload(source, site.url("d/f"))
    assert fault.happened == 2
    assert has(site, "d/f")


def test_a_connection_that_is_always_cut_leaves_nothing(site: Faulty, source: Path) -> None:
    site.fault(Fault(method="PUT", cut_after=1_000_000, cut_request=True))
    with storage(attempts=2) as client, pytest.raises(StorageUnreachable) as caught:
        client.upload(source, site.url("f"))
    assert ".dodas" not in str(caught.value), "the user does not know that name"
    assert not left_in(site.root)


def test_an_answer_that_is_lost(site: Faulty, source: Path, client: Storage) -> None:
    site.fault(Fault(method="PUT", lose_answer=True, times=1))
    client.upload(source, site.url("f"))
    assert has(site, "f")


def test_a_renaming_whose_answer_is_lost(xrootd: Xrootd, source: Path, client: Storage) -> None:
    with Faulty(xrootd) as faulty:
        faulty.fault(Fault(method="MOVE", lose_answer=True))
        assert client.upload(source, faulty.url("f")).verified is Verified.CHECKSUM
        assert has(xrootd, "f")


@pytest.mark.parametrize("status", [400, 403, 405, 501])
def test_a_server_that_cannot_rename(status: int, xrootd: Xrootd, source: Path, client: Storage) -> None:
    with Faulty(xrootd) as faulty:
        faulty.fault(Fault(method="MOVE", status=status))
        client.upload(source, faulty.url("f"))
        client.upload(source, faulty.url("g"))
        assert len([one for one in faulty.asked() if one.method == "MOVE"]) == 1, "it is remembered"
    assert left_in(xrootd.root) == {"f", "g"}


@pytest.mark.parametrize("at", [1, 1_000_000])
def test_what_is_left_at_such_a_server_goes(at: int, xrootd: Xrootd, source: Path, client: Storage) -> None:
    with Faulty(xrootd) as faulty:
        faulty.fault(Fault(method="MOVE", status=501))
        client.upload(source, faulty.url("first"))
        faulty.fault(Fault(method="PUT", cut_after=at, cut_request=True, times=2))
        client.upload(source, faulty.url("second"))
    assert left_in(xrootd.root) == {"first", "second"}
    assert (xrootd.root / "second").read_bytes() == DATA


def test_a_bit_that_is_flipped(xrootd: Xrootd, source: Path) -> None:
    with Faulty(xrootd) as faulty, storage(attempts=2) as client:
        faulty.fault(Fault(method="PUT", flip=12_345, cut_request=True))
        (xrootd.root / "bystander").write_bytes(b"")
        with pytest.raises(Corrupt, match="adler32"):
            client.upload(source, faulty.url("f"))
    assert left_in(xrootd.root) == {"bystander"}


@pytest.mark.parametrize("status", [429, 500, 503, 504])
def test_a_server_that_is_not_ready_yet(status: int, site: Faulty, source: Path, client: Storage) -> None:
    site.fault(Fault(method="PUT", status=status, headers={"Retry-After": "0"}, times=2))
    client.upload(source, site.url("f"))
    assert has(site, "f")


def test_a_server_that_answers_before_it_has_read(site: Faulty, source: Path) -> None:
    site.fault(Fault(method="PUT", status=403, early=True))
    with storage() as client, pytest.raises(NotAllowed):
        client.upload(source, site.url("f"))
    assert not left_in(site.root)


def test_a_server_that_never_asks_for_the_body(site: Faulty, source: Path, client: Storage) -> None:
    site.fault(Fault(method="PUT", no_continue=True))
    client.upload(source, site.url("f"))
    assert has(site, "f")


def test_what_is_there_stays(site: Faulty, source: Path, client: Storage) -> None:
    (site.root / "f").write_bytes(b"old")
    with pytest.raises(AlreadyThere):
        client.upload(source, site.url("f"))
    assert has(site, "f", b"old")


def test_what_appears_meanwhile_stays(xrootd: Xrootd, tmp_path: Path, client: Storage) -> None:
    """XRootD replaces files whatever one asks; so it is looked at once more before the file gets its name."""
    (tmp_path / "big").write_bytes(DATA)

    def appear(done: int, total: int | None) -> None:
        (xrootd.root / "f").write_bytes(b"somebody else's")

    with pytest.raises(AlreadyThere):
        client.upload(tmp_path / "big", xrootd.url("f"), progress=appear)
    assert has(xrootd, "f", b"somebody else's")


def test_what_is_to_be_replaced_stays_until_the_new_one_is_whole(site: Faulty, source: Path) -> None:
    (site.root / "f").write_bytes(b"old")
    site.fault(Fault(method="PUT", cut_after=1_000_000, cut_request=True))
    with storage(attempts=2) as client, pytest.raises(StorageUnreachable):
        client.upload(source, site.url("f"), overwrite=True)
    assert has(site, "f", b"old")


def test_what_is_to_be_replaced_is(site: Faulty, source: Path, client: Storage) -> None:
    (site.root / "f").write_bytes(b"old")
    client.upload(source, site.url("f"), overwrite=True)
    assert has(site, "f")


def test_a_file_that_changes_while_it_is_sent(site: Faulty, source: Path, client: Storage) -> None:
    def change(done: int, total: int | None) -> None:
        with source.open("r+b") as file:
            file.write(b"changed")

    with pytest.raises(TransferError, match="changed"):
        client.upload(source, site.url("f"), progress=change)
    assert not left_in(site.root)


def test_a_file_that_is_not_what_it_should_be(site: Faulty, source: Path, client: Storage) -> None:
    with pytest.raises(Corrupt):
        client.upload(source, site.url("f"), checksums=(adler32(b"other"),))
    assert not left_in(site.root)


def test_no_replica_stays_when_a_file_is_replaced(dynafed: Dynafed, source: Path, client: Storage) -> None:
    dynafed.place("d/f", b"old", at=(0, 1, 2))
    client.upload(source, dynafed.url("d/f"), overwrite=True)
    copies = dynafed.copies("d/f")
    assert copies.count(DATA) == 1 and copies.count(None) == 2


def test_old_copies_stay_until_the_new_one_is_whole(dynafed_faulty: Dynafed, source: Path) -> None:
    federation = dynafed_faulty
    federation.place("d/f", b"old", at=(0, 1))
    for number in range(3):
        federation.faulty(number).fault(Fault(method="PUT", cut_after=500_000, cut_request=True))
    with storage(attempts=2) as client, pytest.raises(StorageUnreachable):
        client.upload(source, federation.url("d/f"), overwrite=True)
    assert federation.copies("d/f") == [b"old", b"old", None]


def test_nothing_is_replaced_while_an_old_copy_cannot_be_reached(
    dynafed: Dynafed, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dynafed.place("d/f", b"old", at=(0, 1))
    monkeypatch.setattr(dynafed.catalogue, "ttl", 600.0)
    with storage(attempts=2) as client:
        client.stat(dynafed.url("d/f"))
        dynafed.sites[1].stop()
        with pytest.raises(StorageUnreachable, match="copy"):
            client.upload(source, dynafed.url("d/f"), overwrite=True)
    assert dynafed.copies("d/f") == [b"old", b"old", None]


def test_an_upload_to_a_federation_is_where_it_says(dynafed: Dynafed, source: Path, client: Storage) -> None:
    stored = client.upload(source, dynafed.url("new/deep/f"))
    assert dynafed.copies("new/deep/f").count(DATA) == 1
    assert stored.endpoint in {one.url("new/deep/f") for one in dynafed.endpoints}
    assert stored.size == MANY


def test_who_reads_next_finds_the_file(
    dynafed: Dynafed, source: Path, client: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A federation remembers that there was none, since it was asked before the upload."""
    monkeypatch.setattr(dynafed.catalogue, "negative_ttl", 0.3)
    client.upload(source, dynafed.url("d/f"))
    assert client.stat(dynafed.url("d/f")).size == MANY


def test_an_upload_moves_on_when_a_site_dies(dynafed_faulty: Dynafed, source: Path, client: Storage) -> None:
    federation = dynafed_faulty
    federation.faulty(0).fault(Fault(method="PUT", cut_after=500_000, cut_request=True, times=1))
    client.upload(source, federation.url("d/f"))
    assert federation.copies("d/f").count(DATA) == 1
    assert [names for names in federation.everything() if names - {"d/f"}] == []


def test_the_token_stays_at_home(faulty_tls: Faulty, pki: Pki, source: Path) -> None:
    with Faulty(faulty_tls.behind, pki=pki) as foreign, storage(pki, token="secret") as client:
        location = {"Location": foreign.foreign_url("d/f")}
        faulty_tls.fault(Fault(path="/d/", method="PUT", status=307, headers=location))
        client.upload(source, faulty_tls.url("d/f"))
        assert not any(one.authorization for one in foreign.asked())
        assert any(one.authorization == "Bearer secret" for one in faulty_tls.asked())
    assert has(faulty_tls, "d/f")


def test_a_token_goes_where_the_user_lets_it_go(faulty_tls: Faulty, pki: Pki, source: Path) -> None:
    with (
        Faulty(faulty_tls.behind, pki=pki) as other,
        storage(pki, token="secret", token_hosts=(f"127.0.0.1:{other.port}",)) as client,
    ):
        location = {"Location": other.foreign_url("d/f")}
        faulty_tls.fault(Fault(path="/d/", method="PUT", status=307, headers=location))
        client.upload(source, faulty_tls.url("d/f"))
        assert {one.authorization for one in other.asked() if one.method == "PUT"} == {"Bearer secret"}
