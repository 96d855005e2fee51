"""Copies from one server to another, by the servers themselves where they can."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dodas.errors import AlreadyThere, Corrupt, NotThere, StorageUnreachable, TransferError
from dodas.staging.storage import Storage
from dodas.staging.values import Verified
from servers.apache import Apache
from servers.faults import Fault
from servers.faulty import Faulty
from servers.issuer import Issuer
from servers.pki import Pki
from servers.site import Site
from servers.xrootd import Xrootd
from storages import MANY, adler32, content, left_in, storage

DATA = content()


@pytest.fixture
def client(pki: Pki) -> Iterator[Storage]:
    with storage(pki) as client:
        yield client


def put_there(site: Site) -> None:
    (site.root / "f").write_bytes(DATA)


def test_one_server_fetches_from_another(xrootd_tls: Xrootd, apache_tls: Apache, client: Storage) -> None:
    put_there(apache_tls)
    told: list[int] = []
    stored = client.copy(
        apache_tls.url("f"), xrootd_tls.url("d/g"), progress=lambda done, total: told.append(done)
    )
    assert (xrootd_tls.root / "d/g").read_bytes() == DATA
    assert left_in(xrootd_tls.root) == {"d/g"}
    assert stored.size == MANY
    gets = [one for one in apache_tls.requests() if one.method == "GET"]
    assert gets and all("dodas" not in one.headers.get("user-agent", "") for one in gets)


def test_one_server_sends_to_another(xrootd_tls: Xrootd, apache_tls: Apache, client: Storage) -> None:
    put_there(xrootd_tls)
    stored = client.copy(xrootd_tls.url("f"), apache_tls.url("d/g"))
    assert (apache_tls.root / "d/g").read_bytes() == DATA
    assert left_in(apache_tls.root) == {"d/g"}
    assert stored.verified is Verified.SIZE
    puts = [one for one in apache_tls.requests() if one.method == "PUT"]
    assert puts and all("dodas" not in one.headers.get("user-agent", "") for one in puts[-1:])


def test_servers_that_do_not_copy(apache: Apache, xrootd: Xrootd, client: Storage) -> None:
    put_there(xrootd)
    stored = client.copy(xrootd.url("f"), apache.url("d/g"))
    assert (apache.root / "d/g").read_bytes() == DATA
    assert stored.checksums == (adler32(DATA),)
    assert left_in(apache.root) == {"d/g"}


def test_copies_between_federations_and_servers(
    request: pytest.FixtureRequest, dynafed_tls: Site, xrootd_tls: Xrootd, client: Storage
) -> None:
    put_there(xrootd_tls)
    client.copy(xrootd_tls.url("f"), dynafed_tls.url("d/g"))
    client.copy(dynafed_tls.url("d/g"), dynafed_tls.url("d/h"))
    client.copy(dynafed_tls.url("d/h"), xrootd_tls.url("back"))
    assert (xrootd_tls.root / "back").read_bytes() == DATA


def test_tokens_reach_both(xrootd_tokens: Xrootd, apache_tls: Apache, issuer: Issuer, pki: Pki) -> None:
    put_there(apache_tls)
    token = issuer.token("storage.read:/ storage.modify:/")
    with storage(pki, token=token) as client:
        client.copy(apache_tls.url("f"), xrootd_tokens.url("tokens/g"))
    assert (xrootd_tokens.root / "tokens/g").read_bytes() == DATA
    assert any(one.authorization == f"Bearer {token}" for one in apache_tls.requests())


@pytest.mark.parametrize(
    "said",
    [
        b"failure: the disk is full\n",
        b"Perf Marker\n    Stripe Index: 0\n    Stripe Bytes Transferred: 5\nEnd\nfailure: broken\n",
        b"Perf Marker\n",
        b"",
        b"success" * 5000,
    ],
)
def test_a_copy_that_failed_after_it_was_called_created(
    said: bytes, xrootd_tls: Xrootd, apache_tls: Apache, pki: Pki, client: Storage
) -> None:
    """The last line decides.  Then it goes through this machine."""
    put_there(apache_tls)
    with Faulty(xrootd_tls, pki=pki) as faulty:
        faulty.fault(Fault(method="COPY", status=201, body=said))
        client.copy(apache_tls.url("f"), faulty.url("g"))
    assert (xrootd_tls.root / "g").read_bytes() == DATA
    assert left_in(xrootd_tls.root) == {"g"}


def test_a_copy_that_lies_is_found_out(
    xrootd_tls: Xrootd, apache_tls: Apache, pki: Pki, client: Storage
) -> None:
    put_there(apache_tls)
    with Faulty(xrootd_tls, pki=pki) as faulty:
        faulty.fault(Fault(method="COPY", status=201, body=b"success: Created\n"))
        client.copy(apache_tls.url("f"), faulty.url("g"))
    assert (xrootd_tls.root / "g").read_bytes() == DATA


def test_nothing_is_left_of_a_copy_that_fails(xrootd_tls: Xrootd, apache: Apache, pki: Pki) -> None:
    put_there(apache)
    with Faulty(apache) as source, storage(pki, attempts=2) as client:
        source.fault(Fault(method="GET", cut_after=1_000_000))
        with pytest.raises(TransferError):
            client.copy(source.url("f"), xrootd_tls.url("g"))
    assert not left_in(xrootd_tls.root)


def test_a_bit_that_is_flipped_on_its_way(xrootd: Xrootd, apache: Apache, client: Storage) -> None:
    put_there(xrootd)
    with Faulty(xrootd) as source:
        source.fault(Fault(method="GET", flip=1_000))
        with pytest.raises(Corrupt):
            client.copy(source.url("f"), apache.url("g"))
    assert not left_in(apache.root)


def test_the_source_is_not_there(xrootd: Xrootd, apache: Apache, client: Storage) -> None:
    with pytest.raises(NotThere):
        client.copy(xrootd.url("f"), apache.url("g"))


def test_what_is_there_stays(xrootd: Xrootd, apache: Apache, client: Storage) -> None:
    put_there(xrootd)
    (apache.root / "g").write_bytes(b"old")
    with pytest.raises(AlreadyThere):
        client.copy(xrootd.url("f"), apache.url("g"))
    assert (apache.root / "g").read_bytes() == b"old"
    client.copy(xrootd.url("f"), apache.url("g"), overwrite=True)
    assert (apache.root / "g").read_bytes() == DATA


def test_a_server_that_is_down(xrootd: Xrootd, apache: Apache) -> None:
    with storage(attempts=1) as client:
        put_there(xrootd)
        apache.stop()
        try:
            with pytest.raises(StorageUnreachable):
                client.copy(xrootd.url("f"), apache.url("g"))
        finally:
            apache.start()
