"""Metalinks and ``Link`` headers: what federations tell of replicas, and what they should not."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dodas.errors import Corrupt
from dodas.staging import metalink, urls
from dodas.staging.headers import Headers
from dodas.staging.metalink import Metalink
from dodas.staging.values import Checksum, Replica
from dodas.staging.weblinks import described_by, duplicates, links

WHERE = urls.redirected(urls.parse("davs://fed.example/vo/f"), "?metalink")
SHA = "ab" * 32

VERSION_3 = """<?xml version="1.0" encoding="utf-8"?>
<metalink version="3.0" xmlns="http://www.metalinker.org/" xmlns:lcgdm="LCGDM:" generator="lcgdm-dav">
<files><file name="f"><size>12</size>
<verification><hash type="md5">0cc175b9c0f1b6a831c399e269772661</hash>
<pieces length="4" type="sha1"><hash piece="0">1111111111111111111111111111111111111111</hash></pieces>
</verification>
<resources>
<url type="http" location="de" preference="10">http://b.example/vo/f</url>
<url type="https" location="CH" preference="100">https://a.example:8443/vo/f%20g?x=1&amp;y=2</url>
<url type="https">https://c.example/vo/f</url>
<url type="ftp">ftp://d.example/vo/f</url>
</resources></file></files></metalink>
"""
VERSION_4 = f"""<?xml version="1.0" encoding="utf-8"?>
<metalink xmlns="urn:ietf:params:xml:ns:metalink">
<file name="f"><size>12</size><hash type="sha-256">{SHA}</hash><hash type="adler32">a1b2c3d</hash>
<hash type="whirlpool">00</hash>
<pieces length="4" type="sha-1"><hash>1111111111111111111111111111111111111111</hash></pieces>
<url location="de" priority="2">http://b.example/vo/f</url>
<url location="CH" priority="1">https://a.example:8443/vo/f%20g?x=1&amp;y=2</url>
<url>https://c.example/vo/f</url><metaurl mediatype="torrent">http://b.example/f.torrent</metaurl></file>
<file name="other"><size>99</size><url priority="1">http://b.example/other</url></file></metalink>
"""


def read(text: str | bytes) -> Metalink:
    return metalink.read(io.BytesIO(text if isinstance(text, bytes) else text.encode()), WHERE)


def one(inside: str) -> Metalink:
    return read(
        f'<metalink xmlns="urn:ietf:params:xml:ns:metalink"><file name="f">{inside}</file></metalink>'
    )


class TestMetalink:
    def test_version_3(self) -> None:
        found = read(VERSION_3)
        assert found.size == 12
        assert [str(checksum) for checksum in found.checksums] == ["md5:0cc175b9c0f1b6a831c399e269772661"]
        assert found.replicas == (
            Replica(url="https://a.example:8443/vo/f%20g?x=1&y=2", priority=1, location="ch"),
            Replica(url="http://b.example/vo/f", priority=91, location="de"),
            Replica(url="https://c.example/vo/f"),
        )

    def test_version_4(self) -> None:
        found = read(VERSION_4)
        assert found.size == 12
        assert [str(checksum) for checksum in found.checksums] == [f"sha256:{SHA}", "adler32:0a1b2c3d"]
        assert [replica.url for replica in found.replicas] == [
            *("https://a.example:8443/vo/f%20g?x=1&y=2", "http://b.example/vo/f", "https://c.example/vo/f")
        ]
        assert [replica.priority for replica in found.replicas] == [1, 2, 999_999]

    def test_equal_priorities_stay_in_order(self) -> None:
        found = one("".join(f"<url>https://h{number}/f</url>" for number in range(20)))
        assert [replica.url for replica in found.replicas] == [f"https://h{number}/f" for number in range(20)]

    def test_nothing_known(self) -> None:
        assert one("") == read('<metalink xmlns="urn:ietf:params:xml:ns:metalink"/>') == Metalink()

    @pytest.mark.parametrize(
        "url",
        [
            *(
                "",
                "file:///etc/passwd",
                "javascript:alert(1)",
                "ftp://a/f",
                "root://a//f",
                "https://",
                "https:///f",
            ),
            *(
                "https://user:password@a/f",
                "https://a:99999/f",
                "https://a b/f",
                "magnet:?xt=1",
                "mailto:a@b",
            ),
        ],
    )
    def test_what_cannot_be_fetched_is_left_out(self, url: str) -> None:
        assert one(f"<url>{url}</url><url>https://a/f</url>").replicas[0].url == "https://a/f"

    def test_relative_and_repeated(self) -> None:
        found = one("<url>/x/f</url><url priority='1'> /x/f </url><url>g</url>")
        assert [replica.url for replica in found.replicas] == [
            "https://fed.example/x/f",
            "https://fed.example/vo/g",
        ]

    @pytest.mark.parametrize("text", ["-1", "x", "", "1.5", "9" * 50, "٣"])
    def test_numbers_that_are_none(self, text: str) -> None:
        found = one(f"<size>{text}</size><url priority='{text}' preference='{text}'>https://a/f</url>")
        assert found.size is None
        assert found.replicas[0].priority == 999_999

    @pytest.mark.parametrize(
        "text",
        [
            *("", "x", "<html/>", "<metalink>", VERSION_4[:-20], VERSION_3[:100], "<a><metalink/></a>"),
            '<!DOCTYPE m [<!ENTITY a "b">]><metalink/>',
            "<metalink>" + "<url>https://a/f</url>" * 300_000 + "</metalink>",
            "<metalink>" + "".join(f"<x{number}/>" for number in range(10_000)) + "</metalink>",
        ],
        ids=lambda text: text[:20],
    )
    def test_what_is_none_is_refused(self, text: str) -> None:
        with pytest.raises(Corrupt, match=r"the metalink at davs://fed.example/vo/f\?…") as caught:
            read(text)
        assert caught.value.hint

    def test_a_thousand_replicas_are_enough(self) -> None:
        found = one("".join(f"<url>https://h{number}/f</url>" for number in range(5000)))
        assert len(found.replicas) == 1000
        assert len(one("".join(f"<hash type='adler32'>{n:x}</hash>" for n in range(100))).checksums) == 32

    @given(st.binary(max_size=100))
    def test_any_bytes(self, data: bytes) -> None:
        try:
            read(VERSION_4.encode().replace(b"12", data))
        except Corrupt:
            return

    def test_one_that_contradicts_itself_tells_both(self) -> None:
        found = one("<hash type='adler32'>1</hash><hash type='ADLER32'>2</hash>")
        values = [Checksum(algorithm="adler32", value=f"0000000{number}") for number in (1, 2)]
        assert list(found.checksums) == values


VALID = "rel=describedby; type=application/metalink+xml"
LONG = ("<a>;" * 20_000, "<" * 60_000, "<a>; " + "b" * 60_000, '<a>; b="' + "\\" * 60_000)


def headers(*values: str) -> Headers:
    return Headers([("Link", value) for value in values])


class TestLinks:
    @pytest.mark.parametrize(
        ("value", "target"),
        [
            (
                '<https://a/f?metalink>; rel=describedby; type="application/metalink+xml"',
                "https://a/f?metalink",
            ),
            ("</f?metalink>;rel=describedby;type=application/metalink4+xml", "/f?metalink"),
            (
                '<a,b;c>; REL="x Describedby y" ; title="a \\"<b>; rel=z" ;type="Application/Metalink4+XML"',
                "a,b;c",
            ),
            (
                f'<x>; rel=describedby; type="text/html", <y>; {VALID}',
                "y",
            ),
            (f"nonsense, <y>; x; {VALID} garbage", "y"),
            ("<y>; rel=duplicate; type=application/metalink+xml", None),
            ("<y>; rel=describedby", None),
            ("<y>; rel=describedby; type=application/pdf", None),
            *(
                (text, None)
                for text in ("", "<", ">", "<>", "<a", "a>; rel=describedby", ";;;", ",,,", '<a>; rel="')
            ),
        ],
    )
    def test_where_the_metalink_is(self, value: str, target: str | None) -> None:
        assert described_by(headers(value)) == target

    def test_version_4_is_preferred_and_the_first_counts(self) -> None:
        kinds = ("metalink+xml", "metalink4+xml", "metalink4+xml")
        values = [f"<{at}>; rel=describedby; type=application/{kind}" for at, kind in enumerate(kinds)]
        assert described_by(headers(*values)) == described_by(headers(", ".join(values))) == "1"
        assert described_by(headers()) is None

    def test_duplicates(self) -> None:
        value = "<https://b/f>; rel=duplicate; pri=2; geo=DE, <https://a/f>; rel=duplicate; pri=1, <c>; rel=x"
        assert duplicates(headers(value, "<https://d/f>; rel=duplicate; pri=-1")) == (
            Replica(url="https://a/f", priority=1),
            Replica(url="https://b/f", priority=2, location="de"),
            Replica(url="https://d/f"),
        )

    @given(st.text(alphabet='<>;,="\\ arel\t', max_size=60))
    def test_any_text(self, value: str) -> None:
        for link in links(headers(value)):
            assert "<" not in link.target

    @pytest.mark.parametrize(
        "text", ["<a>;" * 20_000, "<" * 60_000, "<a>; " + "b" * 60_000, '<a>; b="' + "\\" * 60_000]
    )
    def test_long_ones_cost_little(self, text: str) -> None:
        assert len(links(headers(text))) <= 256
