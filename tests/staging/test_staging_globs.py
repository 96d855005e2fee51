"""Patterns of URLs: what they match on real servers, as in a shell."""

from __future__ import annotations

import itertools
from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dodas.errors import NotThere
from dodas.staging import urls
from dodas.staging.exchange import Exchange
from dodas.staging.globs import _way_matches, is_pattern, matching
from dodas.staging.urls import Url
from servers.dynafed import Dynafed
from servers.site import Site

FILES = (
    *("a.txt", "b.txt", "c.dat", ".hidden.txt", "A.TXT", "ü.txt", "a b.txt"),
    *("one/a.txt", "one/deep/a.txt", "one/deep/er/b.txt", "two/a.txt", "two/.git/a.txt", "three/c.dat"),
)


@pytest.fixture(params=["apache", "xrootd"])
def server(request: pytest.FixtureRequest) -> Site:
    site: Site = request.getfixturevalue(request.param)
    for name in FILES:
        (site.root / "t" / name).parent.mkdir(parents=True, exist_ok=True)
        (site.root / "t" / name).write_text(name)
    return site


def dav(server: Site, path: str) -> Url:
    return urls.parse(server.url("").replace("http", "dav", 1) + path)


def matches(exchange: Exchange, server: Site, pattern: str) -> list[str]:
    root = dav(server, "t/").path
    found = [entry.url for entry in matching(exchange, dav(server, f"t/{pattern}"))]
    return sorted(urls.decoded(urls.parse(url).path).removeprefix(root) for url in found)


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("*.txt", ["a b.txt", "a.txt", "b.txt", "ü.txt"]),
        ("?.txt", ["a.txt", "b.txt", "ü.txt"]),
        ("[ab].txt", ["a.txt", "b.txt"]),
        ("[!ab].txt", ["ü.txt"]),
        ("[a-c].*", ["a.txt", "b.txt", "c.dat"]),
        ("a*b.txt", ["a b.txt"]),
        ("*", ["A.TXT", "a b.txt", "a.txt", "b.txt", "c.dat", "one/", "three/", "two/", "ü.txt"]),
        ("*/", ["one/", "three/", "two/"]),
        (".*", [".hidden.txt"]),
        ("*/a.txt", ["one/a.txt", "two/a.txt"]),
        ("*/c.*", ["three/c.dat"]),
        ("t*/*", ["three/c.dat", "two/a.txt"]),
        ("*/.git/*", ["two/.git/a.txt"]),
        ("**/a.txt", ["a.txt", "one/a.txt", "one/deep/a.txt", "two/a.txt"]),
        ("one/**", ["one/a.txt", "one/deep/", "one/deep/a.txt", "one/deep/er/", "one/deep/er/b.txt"]),
        ("**/deep/**/*.txt", ["one/deep/a.txt", "one/deep/er/b.txt"]),
        ("**/", ["one/", "one/deep/", "one/deep/er/", "three/", "two/"]),
        ("*/*/*", ["one/deep/a.txt", "one/deep/er/"]),
        ("a.txt", ["a.txt"]),
        *((nothing, []) for nothing in ("*.nothing", "nowhere/*", "*/nothing", "[z]", "**/nothing")),
    ],
)
def test_as_in_a_shell(server: Site, exchange: Exchange, pattern: str, found: list[str]) -> None:
    assert matches(exchange, server, pattern) == found


def test_below_a_file_is_nothing(server: Site, exchange: Exchange) -> None:
    assert matches(exchange, server, "a.txt/*") == []
    assert matches(exchange, server, "*/a.txt/*") == []


def test_what_has_exactly_that_name_is_meant(server: Site, exchange: Exchange) -> None:
    for name in ("*.txt", "[ab]", "**"):
        (server.root / "t" / name).write_text("x")
        assert matches(exchange, server, name) == [name]
    assert matches(exchange, server, "[*].txt") == ["*.txt"]


def test_a_question_mark_is_a_pattern_where_no_name_can_have_it(server: Site, exchange: Exchange) -> None:
    (server.root / "t" / "a").write_text("x")  # XRootD takes what follows a question mark for something else
    assert matches(exchange, server, "a?txt") == ["a.txt"]


def test_without_a_pattern_it_must_be_there(server: Site, exchange: Exchange) -> None:
    with pytest.raises(NotThere):
        list(matching(exchange, dav(server, "t/nothing")))


def test_below_a_directory_that_looks_like_a_pattern(server: Site, exchange: Exchange) -> None:
    (server.root / "t" / "[x]").mkdir()
    (server.root / "t" / "[x]" / "f").write_text("x")
    assert matches(exchange, server, "[[]x]/*") == ["[x]/f"]
    assert matches(exchange, server, "[x]/f") == ["[x]/f"]


def test_through_a_federation_while_a_site_is_down(dynafed: Dynafed, exchange: Exchange) -> None:
    for number, name in enumerate(("a%20b.txt", "ü b.txt")):
        dynafed.place(f"d/{name}", b"x", at=(0, 1))
        dynafed.place(f"d/{number}/deep/{name}", b"x", at=(1,))
    dynafed.sites[0].stop()
    dynafed.check()
    base = urls.parse(dynafed.url("").replace("http", "dav", 1))
    found = {entry.url for entry in matching(exchange, urls.join(base, "d/**/*.txt"))}
    paths = ("d/a%20b.txt", "d/ü b.txt", "d/0/deep/a%20b.txt", "d/1/deep/ü b.txt")
    assert found == {str(urls.join(base, path)) for path in paths}


@pytest.mark.parametrize(
    ("url", "answer"),
    [
        *(
            ("davs://h/a*", True),
            ("davs://h/a?b", True),
            ("davs://h/[a]/b", True),
            ("https://h/a*?b=c", True),
        ),
        *(("davs://h/a", False), ("https://h/a?b=*", False), ("dav://[::1]/a", False)),
    ],
)
def test_what_is_a_pattern(url: str, answer: bool) -> None:
    assert is_pattern(urls.parse(url)) is answer


PARTS = st.lists(st.sampled_from(["a", "b", "*", "**", "?", ".c"]), max_size=5)
WAYS = st.lists(st.sampled_from(["a", "b", ".c"]), max_size=5)


@given(PARTS, WAYS)
def test_ways_as_if_written_out(patterns: list[str], names: list[str]) -> None:
    assert _way_matches(tuple(patterns), tuple(names)) is written_out(patterns, names)


def written_out(patterns: list[str], names: list[str]) -> bool:
    """Try every number of directories for every ``**``."""
    at = [place for place, part in enumerate(patterns) if part == "**"]
    for counts in itertools.product(range(len(names) + 1), repeat=len(at)):
        flat: list[str] = []
        for place, part in enumerate(patterns):
            flat += ["*"] * counts[at.index(place)] if place in at else [part]
        if len(flat) == len(names) and all(
            fnmatchcase(name, part) and (part[0] == "." or name[0] != ".")
            for name, part in zip(names, flat, strict=True)
        ):
            return True
    return False
