"""Tokens that run out while files are transferred, and are renewed meanwhile by somebody else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dodas.auth.credentials import Credentials
from dodas.errors import NotAllowed
from dodas.staging.settings import Settings
from dodas.staging.storage import Storage
from servers.apache import Apache
from servers.faults import Fault
from servers.faulty import Faulty
from servers.pki import Pki
from storages import content

DATA = content()


@pytest.fixture
def site(pki: Pki, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Faulty]:
    """Return a server that wants the token ``old``, behind a faulty proxy."""
    apache = Apache(tmp_path_factory.mktemp("site"), pki=pki, tokens=("old",))
    with Faulty(apache, pki=pki) as proxy:
        yield proxy


@pytest.fixture
def token(tmp_path: Path) -> Path:
    file = tmp_path / "token"
    file.write_text("old")
    file.chmod(0o600)
    return file


@pytest.fixture
def client(pki: Pki, token: Path) -> Iterator[Storage]:
    environ = {"SSL_CERT_FILE": str(pki.bundle), "BEARER_TOKEN_FILE": str(token)}
    with Storage(Settings(max_wait=0.05, attempts=3), Credentials.from_environment(environ)) as client:
        yield client


def expire(site: Faulty, token: Path, renewed: str = "new") -> None:
    assert isinstance(site.behind, Apache)
    site.behind.accept("new")
    token.write_text(renewed)


def test_a_download_goes_on_with_the_new_one(
    site: Faulty, token: Path, tmp_path: Path, client: Storage
) -> None:
    (site.root / "f").write_bytes(DATA)
    site.fault(Fault(method="GET", path="/f", cut_after=1_000_000, times=1))
    client.download(
        site.url("f"),
        tmp_path / "f",
        progress=lambda done, total: expire(site, token) if done >= 1_000_000 else None,
    )
    assert (tmp_path / "f").read_bytes() == DATA
    shown = [one.authorization for one in site.asked() if one.method == "GET"]
    assert (shown[0], shown[-1]) == ("Bearer old", "Bearer new")


def test_an_upload_goes_on_with_the_new_one(
    site: Faulty, token: Path, tmp_path: Path, client: Storage
) -> None:
    (tmp_path / "f").write_bytes(DATA)
    site.fault(Fault(method="PUT", cut_after=1_000_000, cut_request=True, times=1))
    client.upload(
        tmp_path / "f",
        site.url("d/f"),
        progress=lambda done, total: expire(site, token) if done >= 1_000_000 else None,
    )
    assert (site.root / "d/f").read_bytes() == DATA
    shown = [one.authorization for one in site.asked() if one.method == "PUT"]
    assert (shown[0], shown[-1]) == ("Bearer old", "Bearer new")


def test_one_that_was_not_renewed(site: Faulty, token: Path, tmp_path: Path, client: Storage) -> None:
    (site.root / "f").write_bytes(DATA)
    expire(site, token, renewed="old")
    with pytest.raises(NotAllowed) as caught:
        client.download(site.url("f"), tmp_path / "f")
    assert "old" not in f"{caught.value}{caught.value.hint}"
    assert not (tmp_path / "f").exists()
