"""Listing, looking, walking: what real servers have is what is seen, by its right name."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dodas.auth.credentials import Credentials
from dodas.errors import NotThere, StorageUnreachable, TransferError
from dodas.staging import urls
from dodas.staging.exchange import Exchange
from dodas.staging.listing import entries, stat
from dodas.staging.settings import Settings
from dodas.staging.trees import walk
from dodas.staging.urls import Url
from hostile_names import CONTROLS, NAMES, QUESTIONS
from servers.apache import Apache
from servers.dynafed import Dynafed
from servers.site import Site
from servers.xrootd import Xrootd
from servers.xrootd_federation import XrootdFederation

HARDEST = (*NAMES, *QUESTIONS, *CONTROLS)


def fill(folder: Path, names: tuple[str, ...]) -> Path:
    folder.mkdir(mode=0o755)
    for name in names:
        (folder / name).write_text(name)
    (folder / "sub dir").mkdir()
    return folder


def davs(server: Site, path: str) -> Url:
    """Return the URL of a path, not encoded, on one of the servers."""
    return urls.parse(server.url("").replace("http", "dav", 1) + path, literal=True)


@pytest.fixture(params=["apache", "xrootd"])
def server(request: pytest.FixtureRequest) -> Site:
    site: Site = request.getfixturevalue(request.param)
    return site


class TestNames:
    def test_apache_lists_every_name(self, apache: Apache, exchange: Exchange) -> None:
        fill(apache.root / "d", HARDEST)
        self.check(apache, exchange, HARDEST)

    def test_xrootd_lists_every_name(self, xrootd: Xrootd, exchange: Exchange) -> None:
        fill(xrootd.root / "d", NAMES)
        self.check(xrootd, exchange, NAMES)

    def check(self, server: Site, exchange: Exchange, names: tuple[str, ...]) -> None:
        found = {entry.name: entry for entry in entries(exchange, davs(server, "d"))}
        assert found.keys() == {*names, "sub dir"}
        assert found["sub dir"].is_directory
        assert found["sub dir"].url.endswith("/d/sub%20dir/")
        for name in names:
            assert not found[name].is_directory
            assert found[name].size == len(name.encode())
            assert found[name].url == str(davs(server, f"d/{name}"))
            modified = (server.root / "d" / name).stat().st_mtime
            assert found[name].modified == int(modified)
            assert stat(exchange, urls.parse(found[name].url)) == found[name]

    def test_bytes_that_are_no_text(self, server: Site, exchange: Exchange) -> None:
        folder = fill(server.root / "d", ())
        name = os.fsdecode(b"a\xe9\xffb")
        (folder / name).write_text("x")
        names = {entry.name: entry for entry in entries(exchange, davs(server, "d"))}
        assert names.keys() == {name, "sub dir"}
        assert stat(exchange, urls.parse(names[name].url)).size == 1

    def test_a_directory_of_any_name(self, server: Site, exchange: Exchange) -> None:
        for name in NAMES:
            (server.root / name).mkdir()
            (server.root / name / name).write_text("")
            assert [entry.name for entry in entries(exchange, davs(server, name))] == [name]
        assert {entry.name for entry in entries(exchange, davs(server, ""))} == set(NAMES)


class TestEntries:
    def test_the_slash_does_not_matter(self, server: Site, exchange: Exchange) -> None:
        fill(server.root / "d", ("a",))
        slash, bare = (list(entries(exchange, davs(server, path))) for path in ("d/", "d"))
        assert slash == bare
        assert len(slash) == 2

    def test_an_empty_directory(self, server: Site, exchange: Exchange) -> None:
        (server.root / "d").mkdir()
        assert list(entries(exchange, davs(server, "d"))) == []

    def test_what_is_not_there(self, server: Site, exchange: Exchange) -> None:
        with pytest.raises(NotThere):
            list(entries(exchange, davs(server, "nowhere")))

    def test_a_file_has_no_members(self, server: Site, exchange: Exchange) -> None:
        (server.root / "f").write_text("x")
        with pytest.raises(NotThere):
            list(entries(exchange, davs(server, "f")))

    def test_a_server_that_does_not_list_is_told_apart(self, apache: Apache, exchange: Exchange) -> None:
        (apache.root / "f").write_text("x")
        with pytest.raises(TransferError, match="answered 400") as caught:
            list(entries(exchange, davs(apache, "f/")))
        assert "DirectoryIndex" in caught.value.hint

    def test_no_connection_waits_meanwhile(self, server: Site) -> None:
        for number in range(3):
            fill(server.root / f"d{number}", ("a",))
        with Exchange(Settings(per_host=1), Credentials.from_environment({})) as exchange:
            seen = [
                (outer.name, inner.name)
                for outer in entries(exchange, davs(server, ""))
                for inner in entries(exchange, urls.parse(outer.url))
            ]
        assert sorted(seen) == [(f"d{number}", name) for number in range(3) for name in ("a", "sub dir")]


class TestStat:
    def test_a_file(self, server: Site, exchange: Exchange) -> None:
        (server.root / "f").write_text("12345")
        for scheme in ("dav", "http"):
            url = urls.parse(str(davs(server, "f")).replace("dav", scheme, 1))
            found = stat(exchange, url)
            assert (found.name, found.size, found.is_directory, found.url) == ("f", 5, False, str(url))
            assert found.modified == int((server.root / "f").stat().st_mtime)

    @pytest.mark.parametrize("path", ["d", "d/", ""])
    def test_a_directory(self, server: Site, exchange: Exchange, path: str) -> None:
        fill(server.root / "d", ())
        for scheme in ("dav", "http"):
            url = urls.parse(str(davs(server, path)).replace("dav", scheme, 1))
            found = stat(exchange, url)
            assert (found.name, found.size, found.is_directory) == (path.rstrip("/"), None, True)
            assert found.url == str(url.as_directory)

    @pytest.mark.parametrize("scheme", ["dav", "http"])
    @pytest.mark.parametrize("path", ["d", "d/", "d/f"])
    def test_behind_a_federation(self, dynafed: Dynafed, exchange: Exchange, scheme: str, path: str) -> None:
        dynafed.place("d/f", b"123", at=(1,))
        found = stat(exchange, urls.parse(dynafed.url(path).replace("http", scheme, 1)))
        assert found.is_directory == (path != "d/f")
        assert found.size == (3 if path == "d/f" else None)
        assert found.name == path.rstrip("/").rpartition("/")[2]

    @pytest.mark.parametrize("scheme", ["dav", "http"])
    def test_nothing(self, server: Site, exchange: Exchange, scheme: str) -> None:
        url = urls.parse(str(davs(server, "nothing")).replace("dav", scheme, 1))
        with pytest.raises(NotThere):
            stat(exchange, url)

    def test_a_name_that_the_server_takes_for_another_is_not_there(
        self, xrootd: Xrootd, exchange: Exchange
    ) -> None:
        (xrootd.root / "a").write_text("x")
        with pytest.raises(NotThere):
            stat(exchange, davs(xrootd, "a?b"))


class TestFederation:
    """What several sites have is one directory, also while one of them is down."""

    def test_all_that_is_somewhere_is_listed_once(self, dynafed: Dynafed, exchange: Exchange) -> None:
        for number, name in enumerate(NAMES):
            dynafed.place(f"d/{name}", b"x" * number, at=(number % 3, (number + 1) % 3))
        url = urls.parse(dynafed.url("d").replace("http", "dav", 1))
        found = sorted(entries(exchange, url), key=lambda entry: entry.name)
        assert [(entry.name, entry.size) for entry in found] == sorted(
            (name, number) for number, name in enumerate(NAMES)
        )
        dynafed.sites[1].stop()
        dynafed.check()
        assert sorted(entries(exchange, url), key=lambda entry: entry.name) == found

    def test_a_directory_that_it_finds_too_long_is_an_error(self, dynafed: Dynafed) -> None:
        for number in range(4):
            dynafed.place(f"d/{number}", b"x")
        dynafed.behaviour.max_list_items = 3
        url = urls.parse(dynafed.url("d").replace("http", "dav", 1))
        exchange = Exchange(Settings(attempts=1), Credentials.from_environment({}))
        with exchange, pytest.raises(StorageUnreachable):
            list(entries(exchange, url))


class TestManager:
    """A manager of XRootD sends whoever looks or lists to one of its servers."""

    def test_a_file_wherever_it_is(self, xrootd_federation: XrootdFederation, exchange: Exchange) -> None:
        for number, site in enumerate(xrootd_federation.sites):
            folder = fill(site.root / f"looked at {number}", ("a%20b",))
            (folder / "f").write_text("x" * number)
        for number in range(len(xrootd_federation.sites)):
            url = urls.parse(xrootd_federation.url("").replace("http", "dav", 1) + f"looked at {number}")
            found = stat(exchange, urls.join(url, "f"))
            assert (found.size, found.url) == (number, str(urls.join(url, "f")))
            assert {entry.name for entry in entries(exchange, url)} == {"a%20b", "f", "sub dir"}


class TestWalk:
    def test_a_tree(self, server: Site, exchange: Exchange) -> None:
        for path in ("t/a/b/c", "t/a/d", "t/e", "t/ü/f g"):
            (server.root / path).mkdir(parents=True)
            (server.root / path / "file").write_text("x")
        found = [entry.url for entry in walk(exchange, davs(server, "t"))]
        below = [path for path in (server.root / "t").rglob("*")]
        wanted = {
            str(davs(server, f"{path.relative_to(server.root)}{'/' * path.is_dir()}")) for path in below
        }
        assert set(found) == wanted
        assert len(found) == len(wanted)
        above = [url.rstrip("/").rpartition("/")[0] + "/" for url in found]
        assert all(up not in found[place:] for place, up in enumerate(above))

    def test_a_link_that_leads_back_ends_somewhere(self, xrootd: Xrootd) -> None:
        (xrootd.root / "t").mkdir()
        (xrootd.root / "t" / "back").symlink_to(".")
        with Exchange(Settings(attempts=1), Credentials.from_environment({})) as exchange:
            way = walk(exchange, davs(xrootd, "t"))
            assert next(way).url == str(davs(xrootd, "t/back/"))
            with pytest.raises(TransferError):  # the server itself has had enough
                assert len(list(way)) <= 100
