"""What servers call members of a directory: read as they mean it, and never as a way out of it."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dodas.errors import Corrupt
from dodas.staging import urls
from dodas.staging.hrefs import Members

MEMBERS = {
    **{"/d/a": "a", "/d/a/": "a", "/d/a%20b": "a b", "/d/a b": "a b", "/d/%C3%BC": "ü", "/d/ü": "ü"},
    **{"/d/a%2520": "a%20", "/d/a%zz": "a%zz", "/d/a+b": "a+b", "/d/%FF": "\udcff", "/d/...": "..."},
    **{"/d": "", "/d/": "", "//d//": "", "//d//a": "a", "/%64/a": "a", "\n /d/a \n": "a"},
    **{"https://host/d/a": "a", "http://HOST:8443/d/a": "a", "//host/d/a": "a", "davs://host/d": ""},
    **{"a": "a", "a/": "a", "a%20b": "a b", "/d/a:b": "a:b", "/d/a?b": "a?b", "/d/a#b": "a#b"},
    **{"/d/100% sure": "100% sure", "/d/a%20 b": "a%20 b"},  # not encoded, as blanks show
}


def members(url: str = "davs://host/d", *, bare: bool = False) -> Members:
    return Members(urls.parse(url), bare=bare)


NAMES = st.text(
    st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=30
).filter(lambda name: name not in (".", ".."))


@pytest.mark.parametrize(("href", "name"), MEMBERS.items())
def test_a_member(href: str, name: str) -> None:
    assert members().name(href) == name


@pytest.mark.parametrize(
    "href",
    [
        *("/", "", "/e/a", "/d/a/b", "/d/../e", "/d/../d/a", "../a", "../../etc/passwd", "/da", "/d/./a"),
        *(
            "https://evil/d/a",
            "//evil/d/a",
            "https://host@evil/d/a",
            "https://host.evil/d/a",
            "http://evil",
        ),
        *("/d%2Fa", "/d/%2e%2e/a", "/D/a", "file:///d/a/b", "/d/a%2Fb/c", "x" * 100_000 + "/a"),
    ],
)
def test_no_member(href: str) -> None:
    assert not members().name(href)


@pytest.mark.parametrize(
    "href",
    ["/d/..", "/d/.", "/d/%2e%2e", "/d/%2E/", "/d/a%2Fb", "/d/%2F", "/d/a%00b", "\0", "..", "/d/..%2fx"],
)
def test_what_cannot_be_a_name(href: str) -> None:
    with pytest.raises(Corrupt, match="no name of a file") as caught:
        members().name(href)
    assert caught.value.hint


@pytest.mark.parametrize("name", ["a%20b", " a ", "http:", "//", "a?b", "%2F", "ü", "\udcff", "a:b"])
def test_a_server_that_encodes_nothing(name: str) -> None:
    found = members("davs://host/d%20d", bare=True).name(f"/d d/{name}")
    assert found == (name if name != "//" else "")


def test_the_same_directory_by_other_names() -> None:
    seen = Members(urls.parse("davs://host/a/d"), urls.parse("davs://disk/x/d"))
    assert seen.name("https://disk/x/d/a") == seen.name("https://host/a/d/a") == seen.name("/x/d/a") == "a"
    assert seen.name("/pnfs/site/a/d/a") is None
    seen.adopt("/pnfs/site/a/d/")
    assert seen.name("/pnfs/site/a/d/") == ""
    assert [seen.name(f"/pnfs/site/a/d/{name}") for name in "ab"] == ["a", "b"]


@given(st.lists(NAMES, min_size=1, max_size=4), NAMES)
def test_encoded_names_come_back(above: list[str], name: str) -> None:
    directory = urls.parse("davs://host/" + "/".join(above), literal=True)
    path = "/" + "/".join([*above, name])
    assert Members(directory).name(quote(path)) == name
    assert Members(directory, bare=True).name(path) == name


@given(st.text(max_size=60))
def test_never_a_way_out(href: str) -> None:
    for bare in (False, True):
        for text in (href, f"/d/{href}", f"//host/d/{href}", f"/d/{quote(href, safe='')}"):
            try:
                name = members(bare=bare).name(text)
            except Corrupt:
                continue
            assert name is None or ("/" not in name and "\0" not in name and name not in (".", ".."))
            if name:
                joined = urls.join(urls.parse("davs://host/d/"), name)
                assert joined.parent.path == "/d/"
                assert joined.name == name
