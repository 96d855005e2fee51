"""The XRootD of the tests answers as it does on the grid, alone, with tokens, and with a manager."""

from __future__ import annotations

import zlib

import pytest

from servers.apache import Apache
from servers.curl import Curl
from servers.issuer import Issuer
from servers.xrootd import Xrootd
from servers.xrootd_federation import XrootdFederation


@pytest.mark.parametrize("kind", ["xrootd", "xrootd_tls"])
def test_xrootd_stores_and_tells_checksums(kind: str, curl: Curl, request: pytest.FixtureRequest) -> None:
    xrootd: Xrootd = request.getfixturevalue(kind)
    assert curl("PUT", xrootd.url("new/a%20b"), body=b"content").status == 200
    assert (xrootd.root / "new/a b").read_bytes() == b"content"
    answer = curl("GET", xrootd.url("new/a%20b"))
    assert (answer.status, answer.body) == (200, b"content")
    assert not {"etag", "last-modified"} & set(answer.headers)
    asked = curl("HEAD", xrootd.url("new/a%20b"), "Want-Digest: adler32")
    assert asked.headers["digest"] == f"adler32={zlib.adler32(b'content'):08x}"
    asked = curl("HEAD", xrootd.url("new/a%20b"), "Want-Digest: md5")
    assert asked.headers["digest"] == f"adler32={zlib.adler32(b'content'):08x}"  # it has no other
    assert [asked.method for asked in xrootd.requests()] == ["PUT", "GET", "HEAD", "HEAD"]
    assert xrootd.requests()[0].path == "/new/a%20b"
    assert xrootd.requests()[3].headers["want-digest"] == "md5"


def test_xrootd_replaces_a_file_by_a_fragment(xrootd: Xrootd, curl: Curl) -> None:
    curl("PUT", xrootd.url("f"), body=b"0123456789")
    assert curl("GET", xrootd.url("f"), "Range: bytes=2-3", 'If-Range: "stale"').status == 206
    assert curl("PUT", xrootd.url("f"), "Content-Range: bytes 2-3/10", body=b"xx").status == 200
    assert (xrootd.root / "f").read_bytes() == b"xx"


def test_xrootd_without_tls_does_not_copy(xrootd: Xrootd, curl: Curl) -> None:
    assert curl("COPY", xrootd.url("f"), f"Source: {xrootd.url('g')}").status == 400


def test_xrootd_copies_from_and_to_others(xrootd_tls: Xrootd, apache_tls: Apache, curl: Curl) -> None:
    (apache_tls.root / "far").write_bytes(b"over there")
    pull = ("Credential: none", f"Source: {apache_tls.url('far')}", "TransferHeaderX-Asks: us")
    answer = curl("COPY", xrootd_tls.url("near"), *pull)
    assert (answer.status, answer.body.splitlines()[-1]) == (201, b"success: Created")
    assert (xrootd_tls.root / "near").read_bytes() == b"over there"
    assert apache_tls.requests()[-1].headers["x-asks"] == "us"
    answer = curl("COPY", xrootd_tls.url("near"), f"Destination: {apache_tls.url('back')}")
    assert (answer.status, answer.body.splitlines()[-1]) == (201, b"success: Created")
    assert (apache_tls.root / "back").read_bytes() == b"over there"
    assert curl("COPY", xrootd_tls.url("near"), "Overwrite: F", *pull).status == 412
    answer = curl("COPY", xrootd_tls.url("lost"), f"Source: {apache_tls.url('absent')}")
    assert answer.status == 201
    assert answer.body.splitlines()[-1].startswith(b"failure: ")
    assert (xrootd_tls.root / "lost").read_bytes() == b""


def test_xrootd_is_back_on_its_port(xrootd: Xrootd, curl: Curl) -> None:
    curl("PUT", xrootd.url("f"), body=b"kept")
    xrootd.stop()
    assert curl("GET", xrootd.url("f")).status == 0
    xrootd.start()
    assert curl("GET", xrootd.url("f")).body == b"kept"


def test_a_manager_of_xrootd_redirects_everything(xrootd_federation: XrootdFederation, curl: Curl) -> None:
    first, second = xrootd_federation.sites
    (second.root / "there").write_bytes(b"content")
    got = curl("GET", xrootd_federation.url("there"))
    assert (got.status, got.headers["location"]) == (302, second.url("there"))
    head = curl("HEAD", xrootd_federation.url("there"), "Want-Digest: adler32")
    assert (head.status, head.headers["location"]) == (307, second.url("there"))
    assert curl("PROPFIND", xrootd_federation.url(), "Depth: 1").status == 307
    assert curl("PUT", xrootd_federation.url("new/name"), body=b"1").status == 307
    assert curl("PUT", xrootd_federation.url("new/name"), body=b"1", options=("--location",)).status == 200
    assert [(site.root / "new/name").exists() for site in (first, second)].count(True) == 1
    assert curl("GET", xrootd_federation.url("absent")).status == 404


def bearer(token: str) -> str:
    return f"Authorization: Bearer {token}"


def test_xrootd_does_what_a_token_permits(xrootd_tokens: Xrootd, issuer: Issuer, curl: Curl) -> None:
    url = xrootd_tokens.url("d/f")
    reads, writes = issuer.token("storage.read:/"), issuer.token("storage.modify:/")
    assert curl("PUT", url, body=b"1").status == 403
    assert curl("PUT", url, bearer("garbage"), body=b"1").status == 403
    assert curl("PUT", url, bearer(reads), body=b"1").status == 403
    assert curl("PUT", url, bearer(writes), body=b"1").status == 200
    assert curl("GET", url, bearer(reads)).body == b"1"
    assert curl("GET", url).status == 403
    assert curl("GET", url, bearer(issuer.expired_token())).status == 403
    assert curl("GET", url, bearer(issuer.odd_token())).status == 200
    assert curl("GET", url, bearer(issuer.odd_token(aud="https://elsewhere.example.org"))).status == 403
    assert curl("GET", url, bearer(issuer.odd_token(scope="storage.read:/other"))).status == 403
    assert xrootd_tokens.requests()[0].authorization == ""


def test_xrootd_copies_with_the_token_for_the_other_side(
    xrootd_tokens: Xrootd, issuer: Issuer, curl: Curl
) -> None:
    (xrootd_tokens.root / "source").write_bytes(b"content")
    words = [bearer(issuer.token("storage.modify:/")), f"Source: {xrootd_tokens.url('source')}"]
    answer = curl("COPY", xrootd_tokens.url("target"), *words)
    assert answer.status == 201
    assert answer.body.splitlines()[-1].startswith(b"failure: ")
    words.append(f"TransferHeaderAuthorization: Bearer {issuer.token('storage.read:/')}")
    answer = curl("COPY", xrootd_tokens.url("other"), *words)
    assert answer.body.splitlines()[-1] == b"success: Created"
    assert (xrootd_tokens.root / "other").read_bytes() == b"content"
