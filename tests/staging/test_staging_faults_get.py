"""Downloads while something goes wrong: the file comes whole, or there is none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dodas.errors import Corrupt, NotAllowed, NotThere, StorageUnreachable, TransferError
from dodas.staging.values import Expected, Verified
from servers.dynafed import Dynafed
from servers.faults import Fault
from servers.faulty import Faulty
from servers.pki import Pki
from servers.xrootd import Xrootd
from storages import MANY, adler32, content, left_in, storage

DATA = content()
SURE = Expected(size=MANY, checksums=(adler32(DATA),))


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "got" / "file"


@pytest.fixture(autouse=True)
def folder(target: Path) -> None:
    target.parent.mkdir()


def alone(target: Path, data: bytes = DATA) -> bool:
    return target.read_bytes() == data and left_in(target.parent) == {target.name}


@pytest.mark.parametrize("at", [0, 1, 4095, 65_536, 1_000_000, MANY - 1])
def test_a_connection_that_is_cut_anywhere(at: int, faulty: Faulty, target: Path) -> None:
    (faulty.root / "f").write_bytes(DATA)
    fault = faulty.fault(Fault(method="GET", path="/f", cut_after=at, times=2))
    with storage() as client:
        client.download(faulty.url("f"), target, expected=SURE)
    assert fault.happened == 2
    assert alone(target)


def test_a_connection_that_is_always_cut_brings_it_on_each_time(faulty: Faulty, target: Path) -> None:
    (faulty.root / "f").write_bytes(DATA)
    faulty.fault(Fault(method="GET", path="/f", cut_after=200_000))
    with storage() as client:
        client.download(faulty.url("f"), target, expected=SURE)
    assert alone(target)
    ranges = [one.headers["range"] for one in faulty.requests() if "range" in one.headers]
    assert ranges == [f"bytes={done}-{MANY - 1}" for done in range(200_000, MANY, 200_000)]


def test_what_has_come_is_not_gone_on_with_if_nothing_tells_that_it_is_the_same(
    faulty: Faulty, target: Path
) -> None:
    (faulty.root / "f").write_bytes(DATA)
    faulty.fault(Fault(method="GET", path="/f", cut_after=2_000_000, times=1, without=("ETag",)))
    with storage() as client:
        client.download(faulty.url("f"), target)
    assert alone(target)
    assert not [one for one in faulty.requests() if "range" in one.headers]


@pytest.mark.parametrize("at", [0, 77, MANY - 1])
def test_a_bit_that_is_flipped(at: int, faulty: Faulty, target: Path) -> None:
    (faulty.root / "f").write_bytes(DATA)
    faulty.fault(Fault(method="GET", path="/f", flip=at))
    with storage() as client, pytest.raises(Corrupt, match="adler32"):
        client.download(faulty.url("f"), target, expected=SURE)
    assert not left_in(target.parent)


def test_a_bit_that_is_flipped_once(faulty: Faulty, target: Path) -> None:
    (faulty.root / "f").write_bytes(DATA)
    faulty.fault(Fault(method="GET", path="/f", flip=5, times=1))
    with storage() as client:
        assert client.download(faulty.url("f"), target, expected=SURE).verified is Verified.CHECKSUM
    assert alone(target)


def test_a_bit_that_is_flipped_is_seen_by_what_the_server_itself_says(xrootd: Xrootd, target: Path) -> None:
    with Faulty(xrootd) as faulty, storage() as client:
        (faulty.root / "f").write_bytes(DATA)
        faulty.fault(Fault(method="GET", path="/f", flip=1_234_567))
        with pytest.raises(Corrupt, match="adler32"):
            client.download(faulty.url("f"), target)
    assert not left_in(target.parent)


def test_an_answer_shorter_than_it_says(faulty: Faulty, target: Path) -> None:
    (faulty.root / "f").write_bytes(DATA)
    faulty.fault(Fault(method="GET", path="/f", body=DATA[:-1], length=MANY))
    with storage(attempts=2) as client, pytest.raises(StorageUnreachable):
        client.download(faulty.url("f"), target)
    assert not target.exists()


def test_an_answer_that_says_less_than_there_is(faulty: Faulty, target: Path) -> None:
    (faulty.root / "f").write_bytes(DATA)
    faulty.fault(Fault(method="GET", path="/f", length=1000))
    with storage() as client, pytest.raises(Corrupt, match=f"{MANY}"):
        client.download(faulty.url("f"), target, expected=SURE)
    assert not left_in(target.parent)


def test_chunks_that_end_too_early(faulty: Faulty, target: Path) -> None:
    (faulty.root / "f").write_bytes(DATA)
    faulty.fault(Fault(method="GET", path="/f", chunked=True, cut_after=1_000_000))
    with storage(attempts=2) as client, pytest.raises(StorageUnreachable):
        client.download(faulty.url("f"), target)
    assert not target.exists()


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_server_that_is_not_ready_yet(status: int, faulty: Faulty, target: Path) -> None:
    (faulty.root / "f").write_bytes(DATA)
    faulty.fault(Fault(method="GET", path="/f", status=status, headers={"Retry-After": "0"}, times=3))
    with storage() as client:
        client.download(faulty.url("f"), target)
    assert alone(target)


def test_a_server_that_asks_for_more_patience_than_there_is(faulty: Faulty, target: Path) -> None:
    (faulty.root / "f").write_bytes(DATA)
    fault = faulty.fault(Fault(method="GET", path="/f", status=503, headers={"Retry-After": "3600"}))
    with storage() as client, pytest.raises(StorageUnreachable):
        client.download(faulty.url("f"), target)
    assert fault.happened == 1


@pytest.mark.parametrize(
    ("status", "kind"),
    [(202, "text/html"), (200, "text/html; charset=utf-8"), (200, "application/xhtml+xml")],
)
def test_a_page_for_people_is_no_file(status: int, kind: str, faulty: Faulty, target: Path) -> None:
    (faulty.root / "f").write_bytes(DATA)
    page = b"<html>please log in</html>"
    faulty.fault(Fault(method="GET", path="/f", status=status, headers={"Content-Type": kind}, body=page))
    with storage(attempts=2) as client, pytest.raises((Corrupt, StorageUnreachable)):
        client.download(faulty.url("f"), target)
    assert not left_in(target.parent)


def test_a_page_that_is_a_file_is_one(faulty: Faulty, target: Path) -> None:
    page = b"<html>a report</html>"
    (faulty.root / "report").write_bytes(page)
    faulty.fault(Fault(method="GET", path="/report", headers={"Content-Type": "text/html"}))
    with storage() as client:
        client.download(faulty.url("report"), target)
    assert alone(target, page)


def test_redirections_in_a_circle(faulty: Faulty, target: Path) -> None:
    faulty.fault(Fault(path="/f", status=302, headers={"Location": faulty.url("f")}))
    with storage(attempts=2) as client, pytest.raises(StorageUnreachable, match="circle"):
        client.download(faulty.url("f"), target)
    assert not left_in(target.parent)


def test_the_token_stays_at_home(faulty_tls: Faulty, pki: Pki, target: Path) -> None:
    (faulty_tls.root / "f").write_bytes(DATA)
    with Faulty(faulty_tls.behind, pki=pki) as foreign, storage(pki, token="secret") as client:
        faulty_tls.fault(
            Fault(path="/f", method="GET", status=307, headers={"Location": foreign.foreign_url("f")})
        )
        client.download(faulty_tls.url("f"), target)
        assert [one.authorization for one in faulty_tls.asked() if one.method == "GET"] == ["Bearer secret"]
        assert not any(one.authorization for one in foreign.asked())
    assert alone(target)


def test_a_replica_that_dies_in_the_middle(dynafed_faulty: Dynafed, target: Path) -> None:
    federation = dynafed_faulty
    federation.place("d/f", DATA, at=(0, 1))
    federation.faulty(0).fault(Fault(method="GET", cut_after=1_000_000, times=1))
    federation.faulty(0).fault(Fault(method="GET", status=503))
    with storage() as client:
        got = client.download(federation.url("d/f"), target, expected=SURE)
    assert alone(target)
    assert got.url == federation.endpoints[1].url("d/f")
    ranges = [one.headers.get("range") for one in federation.faulty(1).asked() if one.method == "GET"]
    # A client of the test before, which gave up, may have left a request that is read only now.
    assert ranges[-1] == f"bytes=1000000-{MANY - 1}", "it was gone on with where the other one died"


def test_pieces_of_files_that_differ_are_not_put_together(dynafed_faulty: Dynafed, target: Path) -> None:
    federation = dynafed_faulty
    other = content(seed=2)
    federation.place("d/f", DATA, at=(0,))
    federation.place("d/f", other, at=(1,))
    federation.faulty(0).fault(Fault(method="GET", cut_after=1_000_000, times=1))
    federation.faulty(0).fault(Fault(method="GET", status=503))
    with storage() as client:
        client.download(federation.url("d/f"), target)
    assert alone(target, other)


def test_a_damaged_replica_is_passed_over(dynafed: Dynafed, target: Path) -> None:
    dynafed.place("d/f", content(seed=3), at=(0,))
    dynafed.place("d/f", DATA, at=(1,))
    with storage() as client:
        client.download(dynafed.url("d/f"), target, expected=SURE)
    assert alone(target)


def test_a_dead_site_is_passed_over_and_remembered(dynafed: Dynafed, target: Path) -> None:
    dynafed.place("d/f", DATA, at=(0, 1))
    dynafed.place("d/g", DATA, at=(0, 1))
    dynafed.sites[0].stop()
    with storage() as client:
        client.download(dynafed.url("d/f"), target)
        client.download(dynafed.url("d/g"), target.with_name("g"))
    assert target.read_bytes() == target.with_name("g").read_bytes() == DATA


def test_the_user_has_a_say_in_which_replica(dynafed: Dynafed, target: Path) -> None:
    dynafed.place("d/f", DATA, at=(0, 1, 2))
    wanted = dynafed.endpoints[2]
    with storage(prefer=(wanted.url("").split("/")[2],)) as client:
        assert client.download(dynafed.url("d/f"), target).url == wanted.url("d/f")


def test_no_replica_is_left(dynafed: Dynafed, target: Path) -> None:
    dynafed.place("d/f", DATA, at=(0, 1))
    for site in dynafed.sites:
        site.stop()
    with storage(attempts=2) as client, pytest.raises((StorageUnreachable, NotThere)):
        client.download(dynafed.url("d/f"), target)
    assert not left_in(target.parent)


def test_a_file_that_is_not_there(dynafed: Dynafed, xrootd: Xrootd, target: Path) -> None:
    with storage() as client:
        for url in (dynafed.url("no"), xrootd.url("no")):
            with pytest.raises(NotThere):
                client.download(url, target)
    assert not left_in(target.parent)


def test_a_directory_is_no_file(xrootd: Xrootd, dynafed: Dynafed, target: Path) -> None:
    (xrootd.root / "d").mkdir(mode=0o777)
    dynafed.place("d/f", DATA)
    with storage() as client:
        for url in (xrootd.url("d"), dynafed.url("d")):
            with pytest.raises(TransferError, match="directory"):
                client.download(url, target)
    assert not left_in(target.parent)


def test_a_token_that_is_not_good_enough(faulty: Faulty, target: Path) -> None:
    faulty.fault(Fault(path="/f", status=401))
    with storage() as client, pytest.raises(NotAllowed):
        client.download(faulty.url("f"), target)
    assert not left_in(target.parent)


def test_a_server_that_ignores_the_validator(xrootd: Xrootd, target: Path) -> None:
    """XRootD sends a part of whatever it has now; the checksum of the whole tells."""
    with Faulty(xrootd) as faulty, storage(attempts=1) as client:
        (faulty.root / "f").write_bytes(DATA)
        faulty.fault(Fault(method="GET", path="/f", cut_after=2_000_000, times=1))
        faulty.fault(Fault(method="GET", path="/f", status=503, times=1))
        with pytest.raises(StorageUnreachable):
            client.download(faulty.url("f"), target)
        assert left_in(target.parent), "the part is kept"
        changed = content(seed=4)
        (faulty.root / "f").write_bytes(changed)
        os.utime(faulty.root / "f", (1e9, 1e9))  # XRootD remembers the checksum of a file of that second
        client.download(faulty.url("f"), target)
    assert alone(target, changed)
