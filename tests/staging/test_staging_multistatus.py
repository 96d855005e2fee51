"""Answers to PROPFIND: as servers write them, in any pieces, and as nobody should."""

from __future__ import annotations

import tracemalloc
from html import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dodas.errors import Corrupt
from dodas.staging.multistatus import LISTING, ONE, Multistatus, Resource
from dodas.staging.values import Checksum

APACHE = """<?xml version="1.0" encoding="utf-8"?>
<D:multistatus xmlns:D="DAV:" xmlns:ns0="DAV:">
<D:response xmlns:lp1="DAV:" xmlns:lp2="http://apache.org/dav/props/" xmlns:g0="DAV:">
<D:href>/d/</D:href>
<D:propstat><D:prop>
<lp1:resourcetype><D:collection/></lp1:resourcetype>
<lp1:getlastmodified>Sun, 06 Nov 1994 08:49:37 GMT</lp1:getlastmodified>
<lp1:getetag>"1000-2f"</lp1:getetag>
</D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat>
<D:propstat><D:prop><g0:getcontentlength/></D:prop><D:status>HTTP/1.1 404 Not Found</D:status></D:propstat>
</D:response>
<D:response xmlns:lp1="DAV:"><D:href>/d/a%20b</D:href>
<D:propstat><D:prop><lp1:resourcetype/><lp1:getcontentlength>12</lp1:getcontentlength>
<lp1:getlastmodified>Sun, 06 Nov 1994 08:49:37 GMT</lp1:getlastmodified>
<lp1:getetag>"c-5"</lp1:getetag></D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response>
</D:multistatus>
"""
XROOTD = """<?xml version="1.0" encoding="utf-8"?>
<D:multistatus xmlns:D="DAV:" xmlns:ns1="http://apache.org/dav/props/" xmlns:ns0="DAV:">
<D:response xmlns:lp1="DAV:" xmlns:lp2="http://apache.org/dav/props/" xmlns:lp3="LCGDM:">
<D:href>/d</D:href><D:propstat><D:prop><lp1:getcontentlength>4096</lp1:getcontentlength>
<lp1:resourcetype><D:collection/></lp1:resourcetype><lp1:iscollection>1</lp1:iscollection></D:prop>
<D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response>
<D:response xmlns:lp1="DAV:"><D:href>/d/a%20 b</D:href>
<D:propstat><D:prop><lp1:getcontentlength>1</lp1:getcontentlength><lp1:iscollection>0</lp1:iscollection>
</D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response>
</D:multistatus>
"""


# Prefixes, order, attributes, and what comes along differ from server to server.
NEXTCLOUD = """<?xml version="1.0"?>
<d:multistatus xmlns:d="DAV:" xmlns:s="http://sabredav.org/ns" xmlns:oc="http://owncloud.org/ns"
 xmlns:nc="http://nextcloud.org/ns"><d:response><d:href>/remote.php/dav/files/u/a%20b</d:href><d:propstat>
<d:prop><d:getlastmodified>Sun, 06 Nov 1994 08:49:37 GMT</d:getlastmodified>
<d:getcontentlength>12</d:getcontentlength><d:resourcetype/><d:getetag>&quot;5d&quot;</d:getetag><oc:size>12</oc:size>
<oc:checksums><oc:checksum>SHA1:{sha} MD5:{md5} ADLER32:0a1b2c3d</oc:checksum></oc:checksums></d:prop>
<d:status>HTTP/1.1 200 OK</d:status></d:propstat></d:response></d:multistatus>
"""
DCACHE = """<?xml version="1.0" encoding="utf-8" ?>
<d:multistatus xmlns:cal="urn:ietf:params:xml:ns:caldav" xmlns:ns1="http://www.dcache.org/2013/webdav"
 xmlns:d="DAV:"><d:response><d:href>/remote.php/dav/files/u/a%20b</d:href><d:propstat><d:prop>
<ns1:Checksums>adler32=0a1b2c3d,md5=MfzV1zuyGPeECMYrqDSuhg==</ns1:Checksums>
<d:getcontentlength>12</d:getcontentlength><d:getetag>"5d"</d:getetag><d:resourcetype></d:resourcetype>
<d:getlastmodified>1994-11-06T08:49:37Z</d:getlastmodified></d:prop><d:status>HTTP/1.1 200 OK</d:status>
</d:propstat></d:response></d:multistatus>
"""
IIS = """<?xml version="1.0"?><a:multistatus xmlns:b="urn:uuid:c2f41010-65b3-11d1-a29f-00aa00c14882/"
 xmlns:c="xml:" xmlns:a="DAV:"><a:response><a:href>http://host/remote.php/dav/files/u/a%20b</a:href><a:propstat>
<a:status>HTTP/1.1 200 OK</a:status><a:prop><a:getcontentlength b:dt="int">12</a:getcontentlength>
<a:resourcetype/><a:getetag>"5d"</a:getetag>
<a:getlastmodified b:dt="dateTime.rfc1123">Sun, 06 Nov 1994 08:49:37 GMT</a:getlastmodified></a:prop>
</a:propstat></a:response></a:multistatus>
"""


def read(text: str | bytes, *, bytewise: bool = False, block: int = 1 << 16) -> list[Resource]:
    data = text if isinstance(text, bytes) else text.encode()
    answer = Multistatus("the answer", bytewise=bytewise)
    found: list[Resource] = []
    for start in range(0, len(data), block):
        found += answer.feed(data[start : start + block])
    return found + answer.close()


def response(href: str, more: str = "", properties: str = "") -> str:
    return f"<response><href>{href}</href><propstat><prop>{properties}</prop></propstat>{more}</response>"


def multistatus(*responses: str) -> str:
    return f'<multistatus xmlns="DAV:">{"".join(responses)}</multistatus>'


class TestReading:
    def test_apaches(self) -> None:
        directory, file = read(APACHE)
        assert directory == Resource(href="/d/", is_directory=True, modified=784111777, etag='"1000-2f"')
        assert file == Resource(href="/d/a%20b", size=12, modified=784111777, etag='"c-5"')

    def test_xrootds(self) -> None:
        directory, file = read(XROOTD, bytewise=True)
        assert directory == Resource(href="/d", is_directory=True)
        assert file == Resource(href="/d/a%20 b", size=1)

    @pytest.mark.parametrize("text", [NEXTCLOUD.format(sha="0" * 40, md5="1" * 32), DCACHE, IIS])
    def test_other_servers(self, text: str) -> None:
        [found] = read(text)
        assert found.href.endswith("/remote.php/dav/files/u/a%20b")
        assert (found.size, found.modified, found.etag) == (12, 784111777, '"5d"')
        if text != IIS:
            assert Checksum(algorithm="adler32", value="0a1b2c3d") in found.checksums
            assert len(found.checksums) > 1

    @pytest.mark.parametrize("block", [1, 2, 3, 7, 100, 4096])
    def test_pieces_do_not_matter(self, block: int) -> None:
        assert read(APACHE, block=block) == read(APACHE)

    def test_what_is_asked_for_is_xml(self) -> None:
        for request in (LISTING, ONE):
            with pytest.raises(Corrupt, match="no answer of WebDAV"):
                read(request)

    @pytest.mark.parametrize(
        "encoding", ["utf-8", "utf-8-sig", "utf-16", "iso-8859-1", "windows-1252", "us-ascii"]
    )
    def test_encodings(self, encoding: str) -> None:
        name = "caf" if encoding == "us-ascii" else "café"
        text = f'<?xml version="1.0" encoding="{encoding.removesuffix("-sig")}"?>' + multistatus(
            response(name)
        )
        assert [one.href for one in read(text.encode(encoding))] == [name]

    def test_bytes_in_no_encoding(self) -> None:
        text = b'<?xml version="1.0" encoding="utf-8"?>' + multistatus(response("/d/X")).encode()
        assert read(text.replace(b"X", b"\xc3\xa9\xff"), bytewise=True)[0].href == "/d/é\udcff"
        with pytest.raises(Corrupt):
            read(text.replace(b"X", b"\xff"))

    def test_entities_of_xml_itself_and_cdata(self) -> None:
        assert read(multistatus(response("&lt;&#233;&amp;<![CDATA[<&]]>")))[0].href == "<é&<&"

    @pytest.mark.parametrize(
        ("properties", "attribute", "value"),
        [
            ("<getcontentlength> 12\n</getcontentlength>", "size", 12),
            ("<getcontentlength>-1</getcontentlength>", "size", None),
            ("<getcontentlength>1e3</getcontentlength>", "size", None),
            ("<getcontentlength>٣</getcontentlength>", "size", None),
            (f"<getcontentlength>{'9' * 100000}</getcontentlength>", "size", None),
            ("<getlastmodified>yesterday</getlastmodified>", "modified", None),
            ("<resourcetype><collection xmlns=''/></resourcetype>", "is_directory", False),
            ("<resourcetype><collection/><x xmlns='y'/></resourcetype>", "is_directory", True),
            (
                '<checksums xmlns="http://owncloud.org/ns"><checksum>ADLER32:0a1b2c3d</checksum></checksums>',
                "checksums",
                (Checksum(algorithm="adler32", value="0a1b2c3d"),),
            ),
            (
                '<Checksums xmlns="http://www.dcache.org/2013/webdav">adler32=a1b2c3d,x=y</Checksums>',
                "checksums",
                (Checksum(algorithm="adler32", value="0a1b2c3d"),),
            ),
        ],
    )
    def test_properties(self, properties: str, attribute: str, value: object) -> None:
        assert getattr(read(multistatus(response("a", "", properties)))[0], attribute) == value

    def test_a_name_inside_of_a_property_is_not_the_things(self) -> None:
        owner = "<lockdiscovery><activelock><owner><href>/evil</href></owner></activelock></lockdiscovery>"
        assert read(multistatus(response("/a", properties=owner)))[0].href == "/a"
        assert read(multistatus(response("/a", "<href>/b</href>")))[0].href == "/a"

    @pytest.mark.parametrize(
        ("text", "status"),
        [
            ("HTTP/1.1 403 Forbidden", 403),
            ("HTTP/1.1 404", 404),
            ("", 200),
            ("x", 200),
            ("HTTP/1.1 ٤٠٤", 200),
        ],
    )
    def test_the_status_of_one_thing(self, text: str, status: int) -> None:
        assert (
            read(multistatus(f"<response><href>a</href><status>{text}</status></response>"))[0].status
            == status
        )

    def test_nothing(self) -> None:
        assert read(multistatus()) == []


class TestDamaged:
    @pytest.mark.parametrize("text", [APACHE, XROOTD])
    def test_cut_anywhere(self, text: str) -> None:
        for end in range(0, len(text.rstrip()), 7):
            with pytest.raises(Corrupt, match="the answer"):
                read(text[:end])

    @pytest.mark.parametrize(
        "text",
        [
            *("", "x", "<", "<html><body>Log in!</body></html>", '{"a": 1}', "<a/>", "\0", "<multistatus/>"),
            *('<?xml version="1.0" encoding="nonsense"?><a/>', '<?xml version="1.0" encoding="gb2312"?><a/>'),
            *(multistatus("<response/>"), multistatus() * 2, multistatus("<b>"), multistatus("&nbsp;")),
            '<response xmlns="DAV:"><href>/a</href></response>',
            '<multistatus xmlns="DAV:"><x:y/></multistatus>',
        ],
    )
    def test_what_is_no_answer(self, text: str) -> None:
        with pytest.raises(Corrupt) as caught:
            read(text)
        assert caught.value.hint
        assert "\n" not in str(caught.value)

    @given(st.binary(max_size=200))
    def test_any_bytes(self, data: bytes) -> None:
        for bytewise in (False, True):
            for text in (data, multistatus(response("X")).encode().replace(b"X", data)):
                try:
                    read(text, bytewise=bytewise)
                except Corrupt:
                    continue

    @given(st.integers(0, len(APACHE) - 1), st.integers(0, 255))
    def test_a_byte_changed(self, place: int, byte: int) -> None:
        data = bytearray(APACHE.encode())
        data[place] = byte
        try:
            read(bytes(data))
        except Corrupt:
            return


class TestHostile:
    ENTITIES = (
        "<!DOCTYPE multistatus>",
        '<!DOCTYPE multistatus SYSTEM "file:///etc/passwd">',
        '<!DOCTYPE m [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>',
        '<!DOCTYPE m [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE m [<!ENTITY % x SYSTEM "http://127.0.0.1:1/"> %x;]>',
    )

    @pytest.mark.parametrize("declaration", ENTITIES)
    @pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
    def test_entities_are_refused_before_they_mean_anything(self, declaration: str, encoding: str) -> None:
        body = multistatus(response("&b;")) if "ENTITY b" in declaration else multistatus(response("a"))
        with pytest.raises(Corrupt, match="document type"):
            read((declaration + body).encode(encoding), block=16)

    @pytest.mark.parametrize(
        "endless",
        [
            *(b"<response><href>" + b"a" * 300_000, b"<!--" + b"-a" * 150_000, b"<?a " + b"a" * 300_000),
            *(b"<a b='" + b"c" * 300_000, b"<x>" * 100_000, b" " * 300_000, b"<x/>" * 100_000),
            b"<response><href>a</href>" + b"<propstat/>" * 30_000,
        ],
    )
    def test_what_never_ends_is_refused_while_it_comes(self, endless: bytes) -> None:
        answer = Multistatus("the answer")
        answer.feed(b'<multistatus xmlns="DAV:">')
        with pytest.raises(Corrupt, match="without end"):
            for start in range(0, len(endless), 65536):
                answer.feed(endless[start : start + 65536])

    @pytest.mark.parametrize("made_up", ["<x{0}/>", '<x a{0}="1"/>', '<y{0}:x xmlns:y{0}="z"/>'])
    def test_names_made_up_for_every_entry(self, made_up: str) -> None:
        answer = Multistatus("the answer")
        answer.feed(b'<multistatus xmlns="DAV:">')
        with pytest.raises(Corrupt, match="too many names"):
            for number in range(10_000):
                answer.feed(response("/a", made_up.format(number)).encode())

    def test_many_entries_take_no_more_memory_than_few(self) -> None:
        part = "".join(
            response(f"/d/{number:06}", "", "<getcontentlength>4096</getcontentlength>")
            for number in range(1000)
        ).encode()
        answer = Multistatus("the answer")
        tracemalloc.start()
        try:
            answer.feed(b'<multistatus xmlns="DAV:">')
            count = sum(len(answer.feed(part)) for _ in range(20))
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert count == 20_000
        assert peak < 2 << 20


@pytest.mark.parametrize("text", ["a&b", "<a>", "ü", "a b"])
def test_escaped_texts_come_back(text: str) -> None:
    assert read(multistatus(response(escape(text))))[0].href == text
