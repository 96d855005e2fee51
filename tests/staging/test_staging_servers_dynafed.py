"""The stand-in for a Dynafed does to clients what the real one does."""

from __future__ import annotations

import zlib
from pathlib import Path
from xml.etree import ElementTree

import pytest

from servers.apache import Apache
from servers.curl import Curl
from servers.dynafed import Dynafed
from servers.faults import Fault
from servers.pki import Pki

CONTENT = bytes(range(256)) * 1000


@pytest.mark.parametrize("kind", ["dynafed", "dynafed_tls"])
def test_dynafed_redirects_and_keeps_nothing(kind: str, curl: Curl, request: pytest.FixtureRequest) -> None:
    dynafed: Dynafed = request.getfixturevalue(kind)
    assert curl("GET", dynafed.url("no/such")).status == 404
    put = curl("PUT", dynafed.url("new/a%20b"), body=b"content")
    assert (put.status, put.headers["location"]) == (302, dynafed.sites[0].url("dav/vo/data/new/a%20b"))
    assert curl("PUT", put.headers["location"], body=b"content").status == 201
    assert dynafed.copies("new/a b") == [b"content", None, None]
    dynafed.place("new/a b", b"content", at=(1, 2))
    dynafed.behaviour.reads_from = (1,)
    got = curl("GET", dynafed.url("new/a%20b"), options=("--location",))
    assert (got.status, got.body) == (200, b"content")
    head = curl("HEAD", dynafed.url("new/a%20b"))
    assert (head.status, head.headers["content-length"]) == (200, "7")
    assert "rel=describedby" in head.headers["link"]
    assert [asked.method for asked in dynafed.requests()] == ["GET", "PUT", "GET", "HEAD"]


@pytest.mark.parametrize("version", [3, 4])
def test_dynafed_tells_all_replicas(version: int, dynafed: Dynafed, curl: Curl) -> None:
    dynafed.place("d/f & g", b"content", at=(0, 2))
    kind = {3: "application/metalink+xml", 4: "application/metalink4+xml"}[version]
    answer = curl("GET", dynafed.url("d/f%20&%20g"), f"Accept: {kind}")
    assert (answer.status, answer.headers["content-type"]) == (200, kind)
    texts = [
        (element.tag.rpartition("}")[2], element.text)
        for element in ElementTree.fromstring(answer.body).iter()
    ]
    urls = [text for tag, text in texts if tag == "url"]
    assert urls == [dynafed.sites[number].url("dav/vo/data/d/f%20&%20g") for number in (0, 2)]
    assert ("size", "7") in texts
    linked = curl("HEAD", dynafed.url("d/f%20&%20g")).headers["link"].partition(">")[0].removeprefix("<")
    assert curl("GET", linked).status == 200


def test_dynafed_does_not_notice_that_a_site_died(dynafed: Dynafed, curl: Curl) -> None:
    dynafed.place("f", b"content", at=(0, 1))
    dynafed.catalogue.ttl = 600
    assert curl("HEAD", dynafed.url("f")).status == 200
    dynafed.sites[0].stop()
    gone = curl("GET", dynafed.url("f")).headers["location"]
    assert gone == dynafed.sites[0].url("dav/vo/data/f")
    assert curl("GET", gone).status == 0
    dynafed.check()
    assert curl("GET", dynafed.url("f")).headers["location"] == dynafed.sites[1].url("dav/vo/data/f")
    dynafed.sites[1].stop()
    dynafed.check()
    assert curl("GET", dynafed.url("f")).status == 404


def test_dynafed_remembers_what_is_no_longer_true(dynafed: Dynafed, curl: Curl) -> None:
    dynafed.place("d/f", b"content")
    dynafed.catalogue.ttl = dynafed.catalogue.negative_ttl = 600
    assert curl("HEAD", dynafed.url("d/f")).headers["content-length"] == "7"
    assert curl("PROPFIND", dynafed.url("d"), "Depth: 1").body.count(b"<D:response ") == 2
    assert curl("HEAD", dynafed.url("d/g")).status == 404
    dynafed.place("d/f", b"more content")
    dynafed.place("d/g", b"new")
    assert curl("HEAD", dynafed.url("d/f")).headers["content-length"] == "7"
    assert curl("HEAD", dynafed.url("d/g")).status == 404
    assert curl("PROPFIND", dynafed.url("d"), "Depth: 1").body.count(b"<D:response ") == 2
    dynafed.expire()
    assert curl("HEAD", dynafed.url("d/f")).headers["content-length"] == "12"
    assert curl("PROPFIND", dynafed.url("d"), "Depth: 1").body.count(b"<D:response ") == 3


def test_dynafed_lists_the_union_unless_it_is_long(dynafed: Dynafed, curl: Curl) -> None:
    dynafed.place("d/one", b"1", at=(0,))
    dynafed.place("d/two", b"22", at=(1, 2))
    dynafed.place("d/e/three", b"333", at=(2,))
    listing = curl("PROPFIND", dynafed.url("d/"), "Depth: 1")
    paths = [found.text for found in ElementTree.fromstring(listing.body).iter("{DAV:}href")]
    assert (listing.status, paths) == (207, ["/fed/d/", "/fed/d/e/", "/fed/d/one", "/fed/d/two"])
    dynafed.behaviour.max_list_items = 2
    assert curl("PROPFIND", dynafed.url("d/"), "Depth: 1").status == 500
    assert curl("PROPFIND", dynafed.url("d/"), "Depth: 0").status == 207
    assert curl("PROPFIND", dynafed.url("absent/"), "Depth: 1").status == 404
    assert curl("PROPFIND", dynafed.url(), "Depth: 1").status == 207


def test_a_file_that_dynafed_deleted_comes_back(dynafed: Dynafed, curl: Curl) -> None:
    dynafed.place("f", b"content", at=(0, 1, 2))
    dynafed.sites[1].stop()
    dynafed.check()
    assert curl("DELETE", dynafed.url("f")).status == 204
    assert dynafed.copies("f") == [None, b"content", None]
    assert curl("DELETE", dynafed.url("f")).status == 404
    dynafed.sites[1].start()
    dynafed.check()
    assert curl("HEAD", dynafed.url("f")).status == 200


def test_dynafed_makes_directories_only_far_down(tmp_path: Path, curl: Curl) -> None:
    with Dynafed([Apache(tmp_path / "site")], shallow=True) as dynafed:
        put = curl("PUT", dynafed.url("a/b/c/f"), body=b"1", options=("--location",))
        assert put.status == 409
        assert curl("MKCOL", dynafed.url("a")).status == 201
        assert not (dynafed.endpoints[0].root / "a").exists()
        assert curl("PUT", dynafed.url("f"), body=b"1", options=("--location",)).status == 201


def test_dynafed_forbids_what_it_is_told_to(dynafed: Dynafed, curl: Curl) -> None:
    dynafed.place("f", b"content")
    dynafed.behaviour.allow_overwrite = False
    assert curl("PUT", dynafed.url("f"), body=b"1").status == 403
    assert curl("PUT", dynafed.url("g"), body=b"1").status == 302
    assert curl("MOVE", dynafed.url("f"), f"Destination: {dynafed.url('g')}").status == 501
    dynafed.behaviour.tokens = ("right",)
    assert curl("GET", dynafed.url("f")).status == 403
    assert curl("GET", dynafed.url("f"), "Authorization: Bearer right").status == 302
    dynafed.behaviour.signed = True
    assert (
        "X-Amz-Signature=" in curl("GET", dynafed.url("f"), "Authorization: Bearer right").headers["location"]
    )
    dynafed.behaviour.failing, dynafed.behaviour.retry_after = 503, "1"
    assert curl("GET", dynafed.url("f")).headers["retry-after"] == "1"
    dynafed.behaviour.drops = True
    assert curl("GET", dynafed.url("f")).status == 0


def test_dynafed_sends_to_a_site_with_checksums(dynafed_tls: Dynafed, curl: Curl) -> None:
    dynafed_tls.place("f", b"content", at=(0, 2))
    head = curl("HEAD", dynafed_tls.url("f"), "Want-Digest: adler32", options=("--location",))
    assert head.headers["digest"] == f"adler32={zlib.adler32(b'content'):08x}"


def test_dynafed_brings_a_token_of_its_own_to_its_sites(tmp_path: Path, curl: Curl, pki: Pki) -> None:
    site = Apache(tmp_path / "site", pki=pki, tokens=("user", "own"))
    with Dynafed([site], pki=pki, token="own") as dynafed:
        dynafed.place("f", b"content")
        got = curl("GET", dynafed.url("f"))
        assert got.status == 302
        assert {asked.authorization for asked in site.requests()} == {"Bearer own"}
        assert curl("GET", got.headers["location"]).status == 401


def test_a_site_of_dynafed_can_die_in_the_middle_of_a_file(dynafed_faulty: Dynafed, curl: Curl) -> None:
    dynafed_faulty.place("f", CONTENT, at=(0, 1))
    dynafed_faulty.faulty(0).fault(Fault(method="GET", cut_after=1000))
    assert curl("GET", dynafed_faulty.url("f"), options=("--location",)).body == CONTENT[:1000]
    dynafed_faulty.sites[0].stop()
    dynafed_faulty.check()
    assert curl("GET", dynafed_faulty.url("f"), options=("--location",)).body == CONTENT
