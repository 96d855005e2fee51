"""Certificates and proxies where grid tools have them, and the authorities that are believed."""

from __future__ import annotations

import os
import ssl
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dodas.auth import anchors
from dodas.auth.certificates import CertificateFinder
from dodas.auth.validity import not_after
from dodas.errors import NotAllowed
from servers.pki import Pki


def put(source: Path, target: Path, mode: int = 0o600) -> Path:
    target.write_bytes(source.read_bytes())
    target.chmod(mode)
    return target


def found(environ: dict[str, str], tmp: Path) -> str | None:
    one = CertificateFinder(environ, tmp=str(tmp)).find()
    return one.path if one else None


def test_the_places_in_their_order(pki: Pki, tmp_path: Path) -> None:
    usual = put(pki.proxy, tmp_path / f"x509up_u{os.geteuid()}")
    environ = {
        "X509_USER_PROXY": str(pki.proxy),
        "X509_USER_CERT": str(pki.user),
        "X509_USER_KEY": str(pki.user_key),
    }
    assert found(environ, tmp_path) == str(pki.proxy)
    del environ["X509_USER_PROXY"]
    assert found(environ, tmp_path) == str(usual)
    usual.unlink()
    assert found(environ, tmp_path) == str(pki.user)
    assert found({}, tmp_path) is None
    assert found({"X509_USER_CERT": str(pki.user)}, tmp_path) is None


def test_a_named_proxy_that_is_over_is_refused_and_a_forgotten_one_is_not_taken(
    pki: Pki, tmp_path: Path
) -> None:
    with pytest.raises(NotAllowed, match=r"X509_USER_PROXY.* expired at 2020-01-02 00:00:00 UTC"):
        found({"X509_USER_PROXY": str(pki.old_proxy)}, tmp_path)
    put(pki.old_proxy, tmp_path / f"x509up_u{os.geteuid()}")
    assert found({}, tmp_path) is None


def test_a_key_that_others_can_read_is_refused(pki: Pki, tmp_path: Path) -> None:
    public = put(pki.proxy, tmp_path / "public", 0o644)
    with pytest.raises(NotAllowed, match="other users"):
        found({"X509_USER_PROXY": str(public)}, tmp_path)
    key = put(pki.user_key, tmp_path / "key", 0o640)
    with pytest.raises(NotAllowed, match="X509_USER_KEY"):
        found({"X509_USER_CERT": str(pki.user), "X509_USER_KEY": str(key)}, tmp_path)
    with pytest.raises(NotAllowed, match="X509_USER_CERT"):
        found({"X509_USER_CERT": "/none", "X509_USER_KEY": str(pki.user_key)}, tmp_path)


def test_the_proxy_of_somebody_else_is_not_taken(pki: Pki, tmp_path: Path) -> None:
    usual = tmp_path / f"x509up_u{os.geteuid()}"
    usual.symlink_to(pki.proxy)
    assert found({}, tmp_path) is None


def test_a_certificate_is_the_same_until_its_file_changes(pki: Pki, tmp_path: Path) -> None:
    file = put(pki.proxy, tmp_path / "proxy")
    finder = CertificateFinder({"X509_USER_PROXY": str(file)})
    first = finder.find()
    assert finder.find() is first
    put(pki.proxy, tmp_path / "part").replace(file)
    assert finder.find() != first


def test_when_certificates_end(pki: Pki) -> None:
    for file in (pki.user, pki.ca, pki.host):
        details = ssl._ssl._test_decode_cert(str(file))  # type: ignore[attr-defined]
        assert not_after(file.read_text()) == ssl.cert_time_to_seconds(details["notAfter"])
    end = not_after(pki.proxy.read_text())
    assert end is not None
    assert end > time.time()


def test_a_chain_ends_with_the_first_of_its_certificates_that_does(pki: Pki) -> None:
    both = pki.user.read_text() + pki.old_proxy.read_text()
    assert not_after(both) == not_after(pki.old_proxy.read_text()) == 1_577_923_200


@given(st.binary())
def test_nonsense_has_no_end(content: bytes) -> None:
    assert not_after(content.decode("latin-1")) is None
    body = ssl.DER_cert_to_PEM_cert(content)
    assert not_after(body) is None or isinstance(not_after(body), float)


def test_the_authorities_of_the_system(tmp_path: Path) -> None:
    bundle, grid = tmp_path / "bundle.pem", tmp_path / "grid"
    bundle.touch()
    bundles = ("/none", str(bundle), str(bundle))
    trust = anchors.trust({}, bundles=bundles, grid=str(grid))
    assert (trust.bundles, trust.directories, trust.grid) == ((str(bundle),), (), ())
    grid.mkdir()
    assert anchors.trust({}, bundles=bundles, grid=str(grid)).grid == (str(grid),)


def test_other_authorities_take_their_place() -> None:
    environ = {"SSL_CERT_FILE": "/f", "SSL_CERT_DIR": "/a:/b", "X509_CERT_DIR": "/g"}
    trust = anchors.trust(environ)
    assert (trust.bundles, trust.directories, trust.grid) == (("/f",), ("/a", "/b"), ("/g",))
    assert anchors.trust({"SSL_CERT_DIR": "/a"}, bundles=("/etc/passwd",)).bundles == ()
