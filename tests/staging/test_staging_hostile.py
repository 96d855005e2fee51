"""Listings from servers and networks that mean no good: whole and true, or an error that says which."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from dodas.auth.credentials import Credentials
from dodas.errors import Corrupt, NotAllowed, NotThere, StorageUnreachable, TransferError
from dodas.staging import urls
from dodas.staging.exchange import Exchange
from dodas.staging.globs import matching
from dodas.staging.listing import entries, stat
from dodas.staging.settings import Settings
from dodas.staging.trees import walk
from dodas.staging.urls import Url
from servers.faults import Fault
from servers.faulty import Faulty


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    with Exchange(Settings(attempts=1), Credentials.from_environment({}), sleep=lambda _: None) as exchange:
        yield exchange


@pytest.fixture
def directory(faulty: Faulty) -> Url:
    folder = faulty.behind.root / "d"
    folder.mkdir()
    for number in range(300):
        (folder / f"file {number}").write_text("x")
    return dav(faulty, "d/")


def dav(faulty: Faulty, path: str) -> Url:
    return urls.parse(faulty.url(path).replace("http", "dav", 1))


def entry(href: str, properties: str = "", more: str = "") -> str:
    return f"<response><href>{href}</href><propstat><prop>{properties}</prop></propstat>{more}</response>"


def answer(*responses: str) -> Fault:
    body = f'<?xml version="1.0"?><multistatus xmlns="DAV:">{"".join(responses)}</multistatus>'
    return Fault(method="PROPFIND", status=207, headers={"Content-Type": "text/xml"}, body=body.encode())


COLLECTION = "<resourcetype><collection/></resourcetype>"
ITSELF = entry("/d/", COLLECTION)


class TestNetwork:
    @pytest.mark.parametrize("chunked", [False, True])
    @pytest.mark.parametrize("after", [1, 100, 10_000, 90_000])
    def test_a_cut_listing_is_asked_for_again(
        self, faulty: Faulty, directory: Url, exchange: Exchange, after: int, chunked: bool
    ) -> None:
        fault = faulty.fault(Fault(method="PROPFIND", cut_after=after, chunked=chunked, times=2))
        assert len(list(entries(exchange, directory))) == 300
        assert fault.happened == 2

    def test_one_that_is_always_cut_is_no_short_listing(
        self, faulty: Faulty, directory: Url, exchange: Exchange
    ) -> None:
        faulty.fault(Fault(method="PROPFIND", cut_after=50_000))
        with pytest.raises(StorageUnreachable):
            next(entries(exchange, directory))

    @pytest.mark.parametrize("length", [20_000, 200_000])
    def test_a_length_that_is_a_lie(
        self, faulty: Faulty, directory: Url, exchange: Exchange, length: int
    ) -> None:
        faulty.fault(Fault(method="PROPFIND", length=length))
        with pytest.raises((Corrupt, StorageUnreachable)):
            next(entries(exchange, directory))

    def test_one_without_a_length_that_breaks_off(
        self, faulty: Faulty, directory: Url, exchange: Exchange
    ) -> None:
        faulty.fault(Fault(method="PROPFIND", without=("content-length",), cut_after=50_000))
        with pytest.raises((Corrupt, StorageUnreachable)):
            next(entries(exchange, directory))


class TestServers:
    @pytest.mark.parametrize(
        ("fault", "error"),
        [
            (Fault(status=404), NotThere),
            (Fault(status=403), NotAllowed),
            (Fault(status=500), StorageUnreachable),
            (Fault(status=503), StorageUnreachable),
            (Fault(status=405), TransferError),
            (Fault(status=200, body=b"<html>Log in</html>"), TransferError),
            (Fault(status=207, body=b"<html>Log in</html>"), Corrupt),
            (Fault(status=207, body=b""), Corrupt),
            (Fault(status=207, body=b"\0" * 1000), Corrupt),
            (Fault(raw=b"HTTP/1.1 207 X\r\nContent-Length: 5\r\n\r\n<x/>"), TransferError),
            (Fault(raw=b"nonsense\r\n\r\n"), TransferError),
            (Fault(status=302, headers={"Location": "/d"}), StorageUnreachable),
            (Fault(status=302), TransferError),
            (answer(entry("/d/", more="<status>HTTP/1.1 404 Not Found</status>")), NotThere),
            (answer(entry("/d/", more="<status>HTTP/1.1 403 Forbidden</status>")), NotAllowed),
            (answer(entry("/d/", more="<status>HTTP/1.1 507 Full</status>")), StorageUnreachable),
            (answer(ITSELF, entry("/d/a", more="<status>HTTP/1.1 500 Oops</status>")), StorageUnreachable),
            (answer(entry("/d/")), NotThere),  # a file
        ],
    )
    def test_what_is_no_listing(
        self, faulty: Faulty, exchange: Exchange, fault: Fault, error: type[TransferError]
    ) -> None:
        faulty.fault(fault)
        with pytest.raises(error) as caught:
            list(entries(exchange, dav(faulty, "d")))
        assert "\n" not in str(caught.value)

    def test_only_members_are_listed(self, faulty: Faulty, exchange: Exchange) -> None:
        outside = ("/", "/etc/passwd", "/d/../etc/passwd", "/d/a/b", "../x", "http://evil/d/y", "//evil/d/z")
        gone = entry("/d/gone", more="<status>HTTP/1.1 404 Not Found</status>")
        faulty.fault(answer(ITSELF, *map(entry, outside), gone, entry("/d/good"), entry("also%20good")))
        assert [one.name for one in entries(exchange, dav(faulty, "d"))] == ["good", "also good"]

    @pytest.mark.parametrize("href", ["/d/..", "/d/%2e%2e", "/d/a%2Fb", "/d/..%2f..%2fetc", "/d/%00"])
    def test_names_that_lead_out_are_refused(self, faulty: Faulty, exchange: Exchange, href: str) -> None:
        faulty.fault(answer(ITSELF, entry("/d/good"), entry(href)))
        for listed in (entries, walk):
            with pytest.raises(Corrupt, match="no name of a file"):
                next(listed(exchange, dav(faulty, "d")))

    def test_only_what_is_elsewhere(self, faulty: Faulty, exchange: Exchange) -> None:
        faulty.fault(answer(entry("http://evil/d/a"), entry("/e/b")))
        with pytest.raises(Corrupt, match="only what is not in it"):
            list(entries(exchange, dav(faulty, "d")))

    def test_a_server_that_knows_the_directory_by_another_path(
        self, faulty: Faulty, exchange: Exchange
    ) -> None:
        faulty.fault(answer(ITSELF.replace("/d/", "/pnfs/site/d/"), entry("/pnfs/site/d/a"), entry("/d/b")))
        assert [one.url for one in entries(exchange, dav(faulty, "d"))] == [
            str(dav(faulty, "d/a")),
            str(dav(faulty, "d/b")),
        ]

    def test_a_tree_without_end(self, faulty: Faulty, exchange: Exchange) -> None:
        faulty.fault(answer(entry("a/", COLLECTION)))
        with pytest.raises(TransferError, match="more than 100 directories") as caught:
            list(walk(exchange, dav(faulty, "d")))
        assert "link" in caught.value.hint

    @pytest.mark.parametrize("pattern", ["d/**/*", "d/*/*"])
    def test_a_pattern_does_not_hide_what_cannot_be_listed(
        self, faulty: Faulty, exchange: Exchange, pattern: str
    ) -> None:
        for name in ("a", "b", "c"):
            (faulty.behind.root / "d" / name).mkdir(parents=True)
            (faulty.behind.root / "d" / name / "f").write_text("x")
        faulty.fault(Fault(method="PROPFIND", path="/d/b", status=403))
        with pytest.raises(NotAllowed):
            list(matching(exchange, dav(faulty, pattern)))

    def test_a_tree_that_is_not_all_there(self, faulty: Faulty, exchange: Exchange) -> None:
        (faulty.behind.root / "d" / "gone").mkdir(parents=True)
        faulty.fault(Fault(method="PROPFIND", path="/d/gone", status=404))
        for listed, url in ((walk, "d"), (matching, "d/**"), (matching, "d/*/*")):
            with pytest.raises(NotThere, match="gone"):
                list(listed(exchange, dav(faulty, url)))

    def test_entities(self, faulty: Faulty, exchange: Exchange) -> None:
        bomb = '<!DOCTYPE m [<!ENTITY a "aaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
        fault = answer(ITSELF, entry("/d/&b;"))
        assert fault.body is not None
        faulty.fault(Fault(status=207, body=fault.body.replace(b"<multi", bomb.encode() + b"<multi")))
        for listed in (entries, walk, matching):
            with pytest.raises(Corrupt, match="document type"):
                list(listed(exchange, dav(faulty, "d/*" if listed is matching else "d")))
        with pytest.raises(Corrupt, match="document type"):
            stat(exchange, dav(faulty, "d"))

    def test_errors_show_no_secrets(self, faulty: Faulty, exchange: Exchange) -> None:
        faulty.fault(Fault(status=302, headers={"Location": "/d?authz=Bearer%20secret"}, times=1))
        faulty.fault(Fault(status=207, body=b"oops"))
        with pytest.raises(Corrupt) as caught:
            list(entries(exchange, dav(faulty, "d")))
        assert "secret" not in f"{caught.value}{caught.value.hint}"


class TestOneThing:
    def test_without_webdav(self, faulty: Faulty, exchange: Exchange) -> None:
        web, storage = urls.parse(faulty.url("f")), dav(faulty, "f")
        (faulty.behind.root / "f").write_text("12345")
        for url, status in [(storage, 200), (storage, 405), (web, 405), (web, 403), (web, 404)]:
            faulty.fault(Fault(method="PROPFIND", status=status, body=b"<html/>", times=1))
            found = stat(exchange, url)
            assert (found.name, found.size, found.is_directory) == ("f", 5, False)
            assert found.modified
            assert found.etag

    def test_without_webdav_and_head(self, faulty: Faulty, exchange: Exchange) -> None:
        (faulty.behind.root / "f").write_text("12345")
        (faulty.behind.root / "empty").write_text("")
        faulty.fault(Fault(method="PROPFIND", status=405))
        faulty.fault(Fault(method="HEAD", status=405))
        assert stat(exchange, dav(faulty, "f")).size == 5
        assert stat(exchange, dav(faulty, "empty")).size == 0

    def test_signed_for_get_alone(self, faulty: Faulty, exchange: Exchange) -> None:
        (faulty.behind.root / "f").write_text("12345")
        for method in ("HEAD", "PROPFIND"):
            faulty.fault(Fault(method=method, status=403))
        found = stat(exchange, urls.parse(faulty.url("f?X-Amz-Signature=s")))
        assert (found.name, found.size) == ("f", 5)
        assert [request.method for request in faulty.requests()] == ["HEAD", "GET"]

    def test_a_page_for_people_is_a_file(self, faulty: Faulty, exchange: Exchange) -> None:
        faulty.fault(Fault(method="PROPFIND", status=405))
        faulty.fault(Fault(method="HEAD", status=200, headers={"Content-Length": "7"}, body=b"<html/>"))
        assert stat(exchange, urls.parse(faulty.url("page"))).size == 7

    def test_the_checksums_that_come_along(self, faulty: Faulty, exchange: Exchange) -> None:
        told = (
            '<c:checksums xmlns:c="http://owncloud.org/ns"><c:checksum>ADLER32:1</c:checksum></c:checksums>'
        )
        faulty.fault(answer(entry("/f", f"<getcontentlength>3</getcontentlength>{told}")))
        assert [str(one) for one in stat(exchange, dav(faulty, "f")).checksums] == ["adler32:00000001"]


SCRIPT = """
    import resource
    from dodas.auth.credentials import Credentials
    from dodas.staging import urls
    from dodas.staging.exchange import Exchange
    from dodas.staging.listing import entries
    from dodas.staging.settings import Settings

    with Exchange(Settings(), Credentials.from_environment({})) as exchange:
        next(entries(exchange, urls.parse(SMALL)))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        count = sum(1 for _ in entries(exchange, urls.parse(LARGE)))
        print(count, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_a_hundred_thousand_entries_take_a_few_megabytes(faulty: Faulty, tmp_path: Path) -> None:
    size = "<getcontentlength>1</getcontentlength>"
    for name, many in (("small", 1), ("large", 100_000)):
        fault = answer(
            entry(f"/{name}/", COLLECTION), *(entry(f"/{name}/{one:06}", size) for one in range(many))
        )
        fault.path = name
        faulty.fault(fault)
    script = dedent(SCRIPT).replace("SMALL", repr(str(dav(faulty, "small"))))
    script = script.replace("LARGE", repr(str(dav(faulty, "large"))))
    ended = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    count, kibibytes = map(int, ended.stdout.split())
    assert count == 100_000
    assert kibibytes < 16 << 10
