"""Storage servers as fixtures.  Each lives for the session, and is running and empty when a test gets it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from servers.apache import Apache
from servers.curl import Curl
from servers.dynafed import Dynafed
from servers.faulty import Faulty
from servers.issuer import Issuer
from servers.pki import Pki, make_pki
from servers.web_proxy import WebProxy
from servers.xrootd import Xrootd
from servers.xrootd_federation import XrootdFederation

_WITH_XROOTD = {"xrootd", "xrootd_tls", "xrootd_tokens", "xrootd_federation", "dynafed_tls"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Try tests with an XRootD again: release 5.5, which Debian 12 has, now and then dies by itself."""
    for item in items:
        names = set(getattr(item, "fixturenames", ()))
        if callspec := getattr(item, "callspec", None):
            names |= {value for value in callspec.params.values() if isinstance(value, str)}
        if names & _WITH_XROOTD:
            item.add_marker(pytest.mark.flaky(reruns=2))


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    """Return the certificates of a host and a user, and the authority that all servers with TLS trust."""
    return make_pki(tmp_path_factory.mktemp("pki") / "authority")


@pytest.fixture
def curl(pki: Pki, tmp_path: Path) -> Curl:
    """Return curl, which trusts ``pki``."""
    return Curl(pki=pki, folder=tmp_path / "curl")


@pytest.fixture(scope="session")
def _apache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Apache]:
    with Apache(tmp_path_factory.mktemp("apache")) as server:
        yield server


@pytest.fixture
def apache(_apache: Apache) -> Apache:
    """Return an Apache with WebDAV that speaks http and asks for nothing."""
    _apache.empty()
    return _apache


@pytest.fixture(scope="session")
def _apache_tls(tmp_path_factory: pytest.TempPathFactory, pki: Pki) -> Iterator[Apache]:
    with Apache(tmp_path_factory.mktemp("apache-tls"), pki=pki) as server:
        yield server


@pytest.fixture
def apache_tls(_apache_tls: Apache) -> Apache:
    """Return an Apache with WebDAV that speaks https and asks for nothing; ``pki.ca`` vouches for it."""
    _apache_tls.empty()
    return _apache_tls


@pytest.fixture(scope="session")
def _xrootd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Xrootd]:
    with Xrootd(tmp_path_factory.mktemp("xrootd")) as server:
        yield server


@pytest.fixture
def xrootd(_xrootd: Xrootd) -> Xrootd:
    """Return an XRootD that speaks http, and tells checksums; it does not copy."""
    _xrootd.empty()
    return _xrootd


@pytest.fixture(scope="session")
def _xrootd_tls(tmp_path_factory: pytest.TempPathFactory, pki: Pki) -> Iterator[Xrootd]:
    with Xrootd(tmp_path_factory.mktemp("xrootd-tls"), pki=pki) as server:
        yield server


@pytest.fixture
def xrootd_tls(_xrootd_tls: Xrootd) -> Xrootd:
    """Return an XRootD that speaks https and http, tells checksums, and copies from and to others."""
    _xrootd_tls.empty()
    return _xrootd_tls


@pytest.fixture(scope="session")
def _dynafed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dynafed]:
    folder = tmp_path_factory.mktemp("dynafed")
    with Dynafed([Apache(folder / name) for name in "abc"]) as federation:
        yield federation


@pytest.fixture
def dynafed(_dynafed: Dynafed) -> Dynafed:
    """Return a federation of three Apaches, all with http."""
    _dynafed.empty()
    return _dynafed


@pytest.fixture(scope="session")
def _dynafed_tls(tmp_path_factory: pytest.TempPathFactory, pki: Pki) -> Iterator[Dynafed]:
    folder = tmp_path_factory.mktemp("dynafed-tls")
    sites = [*(Apache(folder / name, pki=pki) for name in "ab"), Xrootd(folder / "c", pki=pki)]
    with Dynafed(sites, pki=pki) as federation:
        yield federation


@pytest.fixture
def dynafed_tls(_dynafed_tls: Dynafed) -> Dynafed:
    """Return a federation of two Apaches and an XRootD, all with https; ``pki.ca`` vouches for them."""
    _dynafed_tls.empty()
    return _dynafed_tls


@pytest.fixture(scope="session")
def _dynafed_faulty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dynafed]:
    folder = tmp_path_factory.mktemp("dynafed-faulty")
    with Dynafed([Faulty(Apache(folder / name)) for name in "abc"]) as federation:
        yield federation


@pytest.fixture
def dynafed_faulty(_dynafed_faulty: Dynafed) -> Dynafed:
    """Return a federation of three Apaches, with http, each behind a proxy: ``dynafed_faulty.faulty(0)``."""
    _dynafed_faulty.empty()
    return _dynafed_faulty


@pytest.fixture
def faulty(apache: Apache) -> Iterator[Faulty]:
    """Return what stands before ``apache``, with http, and passes everything on until it is given faults."""
    with Faulty(apache) as proxy:
        yield proxy


@pytest.fixture
def faulty_tls(apache_tls: Apache, pki: Pki) -> Iterator[Faulty]:
    """Return the same with https, before ``apache_tls``."""
    with Faulty(apache_tls, pki=pki) as proxy:
        yield proxy


@pytest.fixture(scope="session")
def _xrootd_federation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[XrootdFederation]:
    with XrootdFederation(tmp_path_factory.mktemp("federation")) as federation:
        yield federation


@pytest.fixture
def xrootd_federation(_xrootd_federation: XrootdFederation) -> XrootdFederation:
    """Return a manager and two data servers of XRootD; a test must not use a name of another one."""
    _xrootd_federation.empty()
    return _xrootd_federation


@pytest.fixture(scope="session")
def issuer(tmp_path_factory: pytest.TempPathFactory, pki: Pki) -> Iterator[Issuer]:
    """Return an issuer of WLCG tokens."""
    with Issuer(tmp_path_factory.mktemp("issuer"), pki=pki) as provider:
        yield provider


@pytest.fixture(scope="session")
def _xrootd_tokens(tmp_path_factory: pytest.TempPathFactory, pki: Pki, issuer: Issuer) -> Iterator[Xrootd]:
    with Xrootd(tmp_path_factory.mktemp("xrootd-tokens"), pki=pki, issuer=issuer) as server:
        yield server


@pytest.fixture
def xrootd_tokens(_xrootd_tokens: Xrootd) -> Xrootd:
    """Return an XRootD with https that does what tokens of ``issuer`` permit."""
    _xrootd_tokens.empty()
    return _xrootd_tokens


@pytest.fixture(scope="session")
def _web_proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebProxy]:
    with WebProxy(tmp_path_factory.mktemp("web-proxy"), login=("alice", "open sesame")) as server:
        yield server


@pytest.fixture
def web_proxy(_web_proxy: WebProxy) -> WebProxy:
    """Return a web proxy that wants a login, which is in its URL."""
    _web_proxy.empty()
    return _web_proxy
