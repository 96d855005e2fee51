"""Apache, the certificates and the web proxy of the tests behave as real ones do; the rest relies on it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from needs import need
from servers.apache import Apache
from servers.curl import Curl
from servers.pki import Pki
from servers.web_proxy import WebProxy


@pytest.mark.parametrize("kind", ["apache", "apache_tls"])
def test_apache_stores_what_it_is_given(kind: str, curl: Curl, request: pytest.FixtureRequest) -> None:
    apache: Apache = request.getfixturevalue(kind)
    assert curl("PUT", apache.url("a%20b"), body=b"content").status == 201
    assert (apache.root / "a b").read_bytes() == b"content"
    answer = curl("GET", apache.url("a%20b"))
    assert (answer.status, answer.body) == (200, b"content")
    assert answer.headers["etag"]
    assert "digest" not in answer.headers
    assert curl("PUT", apache.url("a%20b"), body=b"new").status == 204
    assert [asked.method for asked in apache.requests()] == ["PUT", "GET", "PUT"]
    assert {asked.path for asked in apache.requests()} == {"/a%20b"}


def test_apache_answers_as_webdav_says(apache: Apache, curl: Curl) -> None:
    assert curl("PUT", apache.url("no/such/file"), body=b"1").status == 409
    assert curl("MKCOL", apache.url("one")).status == 201
    assert curl("MKCOL", apache.url("one")).status == 301  # to the same with a slash
    assert curl("MKCOL", apache.url("one/")).status == 405
    assert curl("PUT", apache.url("one/file"), body=b"12345").status == 201
    listing = curl("PROPFIND", apache.url("one/"), "Depth: 1")
    assert listing.status == 207
    assert b"<D:href>/one/file</D:href>" in listing.body
    assert curl("MOVE", apache.url("one/file"), f"Destination: {apache.url('two')}").status == 201
    assert curl("DELETE", apache.url("two")).status == 204
    assert curl("GET", apache.url("two")).status == 404


def test_apache_patches_on_content_range(apache: Apache, curl: Curl) -> None:
    curl("PUT", apache.url("f"), body=b"0123456789")
    assert curl("PUT", apache.url("f"), "Content-Range: bytes 2-3/10", body=b"xx").status == 204
    assert curl("GET", apache.url("f")).body == b"01xx456789"
    assert curl("GET", apache.url("f"), "Range: bytes=1-2").status == 206
    assert curl("GET", apache.url("f"), "Range: bytes=1-2", 'If-Range: "stale"').status == 200


def test_apache_is_back_on_its_port(apache: Apache, curl: Curl) -> None:
    curl("PUT", apache.url("f"), body=b"kept")
    apache.stop()
    assert curl("GET", apache.url("f")).status == 0
    apache.start()
    assert curl("GET", apache.url("f")).body == b"kept"


def test_apache_wants_a_token_that_can_change(tmp_path: Path, curl: Curl, pki: Pki) -> None:
    with Apache(tmp_path / "site", pki=pki, tokens=("first",)) as apache:
        assert curl("PUT", apache.url("f"), body=b"1").status == 401
        assert curl("PUT", apache.url("f"), "Authorization: Bearer first", body=b"1").status == 201
        apache.accept("second")
        assert curl("GET", apache.url("f"), "Authorization: Bearer first").status == 401
        assert curl("GET", apache.url("f"), "Authorization: Bearer second").status == 200
        said = [asked.authorization for asked in apache.requests()]
        assert said == ["", *(f"Bearer {token}" for token in ("first", "first", "second"))]


def test_apache_takes_certificates_and_proxies(tmp_path: Path, curl: Curl, pki: Pki) -> None:
    with Apache(tmp_path / "site", pki=pki, certificates=True) as apache:
        (apache.root / "f").write_bytes(b"secret")
        assert curl("GET", apache.url("f")).status == 403
        assert curl("GET", apache.url("f"), options=("--cert", str(pki.proxy))).body == b"secret"
        user = ("--cert", str(pki.user), "--key", str(pki.user_key))
        assert curl("GET", apache.url("f"), options=user).body == b"secret"
        assert curl("GET", apache.url("f"), options=("--cert", str(pki.old_proxy))).status == 0


def test_the_authority_is_installed_as_on_the_grid(pki: Pki) -> None:
    for certificate, *chain in ((pki.host,), (pki.user,), (pki.proxy, "-untrusted", str(pki.user))):
        command = ["verify", "-allow_proxy_certs", "-crl_check", "-CApath", str(pki.directory), *chain]
        subprocess.run([need("openssl"), *command, str(certificate)], check=True, capture_output=True)
    assert len(list(pki.directory.iterdir())) == 6
    for secret in (pki.proxy, pki.user_key, pki.host_key):
        assert secret.stat().st_mode & 0o077 == 0
        assert secret.stat().st_uid == os.geteuid()


@pytest.mark.parametrize("kind", ["apache", "apache_tls"])
def test_a_web_proxy_is_between(
    kind: str, web_proxy: WebProxy, curl: Curl, request: pytest.FixtureRequest
) -> None:
    apache: Apache = request.getfixturevalue(kind)
    (apache.root / "f").write_bytes(b"content")
    use = ("--noproxy", "", "--proxy", f"http://localhost:{web_proxy.port}")
    assert curl("GET", apache.url("f"), options=use).body != b"content"
    assert (
        curl("GET", apache.url("f"), options=(*use, "--proxy-user", "alice:open sesame")).body == b"content"
    )
    method = "CONNECT" if kind == "apache_tls" else "GET"
    assert [asked.method for asked in web_proxy.requests()] == [method, method]
    assert [asked.method for asked in apache.requests()] == ["GET"]
