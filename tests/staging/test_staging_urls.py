"""URLs: what users may write, one spelling for each file, and nothing secret in what is shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dodas.errors import SpecError
from dodas.staging import hosts, urls
from dodas.staging.urls import Url, parse

NAMES = st.text(st.characters(exclude_characters="\0/", exclude_categories=["Cs"]), min_size=1).filter(
    lambda name: name not in (".", "..")
)


@pytest.mark.parametrize(
    ("text", "wire"),
    [
        ("davs://Host.Example/a", "https://host.example/a"),
        ("dynafed://host/a", "https://host/a"),
        ("DAV://host:8080", "http://host:8080/"),
        ("https://host:443/a", "https://host/a"),
        ("http://host:80/a?b=1&c", "http://host/a?b=1&c"),
        ("https://host?x", "https://host/?x"),
        ("davs://host/a b", "https://host/a%20b"),
        ("davs://host/é", "https://host/%C3%A9"),
        ("davs://host/%c3%a9", "https://host/%C3%A9"),
        ("davs://host/100%", "https://host/100%25"),
        ("davs://host/what?#1", "https://host/what%3F%231"),
        ("davs://host/a+b&c;d", "https://host/a%2Bb%26c%3Bd"),
        ("davs://host/%41%7E%2d", "https://host/A~-"),
        ("davs://host/a%2Fb", "https://host/a%2Fb"),
        ("davs://host/line\nbreak", "https://host/line%0Abreak"),
        ("davs://host/a/../b/./c/..", "https://host/b/"),
        ("davs://host/a/%2e%2E/b", "https://host/b"),
        ("davs://host/../../etc", "https://host/etc"),
        ("davs://host//a//b", "https://host//a//b"),
        ("davs://[::1]:8443/a", "https://[::1]:8443/a"),
        ("davs://bücher.example/a", "https://xn--bcher-kva.example/a"),
    ],
)
def test_spellings_and_what_goes_over_the_wire(text: str, wire: str) -> None:
    url = parse(text)
    assert url.wire == wire
    assert parse(str(url)) == url
    assert parse(wire).wire == wire


@pytest.mark.parametrize(
    "text",
    [
        "s3://bucket/a",
        "/local/file",
        "davs:/host/a",
        "davs://",
        "davs:///path",
        "davs://host:0/",
        "davs://host:65536/",
        "davs://host:port/",
        "davs://ho st/",
        "davs://[::1/",
        "davs://host%2f/a",
        "davs://user:secret@host/a",
        "davs://secret@host/a",
        "davs://user:a/secret@host/a",
        "http://host/a#b",
        "davs://host/a\0b",
    ],
)
def test_what_is_no_url_of_storage_is_refused_with_a_hint(text: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse(text)
    assert caught.value.hint
    assert "secret" not in str(caught.value)


@given(NAMES)
def test_any_name_comes_back_from_the_url_that_it_was_joined_to(name: str) -> None:
    url = urls.join(parse("davs://host/some directory/"), name)
    assert url.name == name
    assert url.parent == parse("davs://host/some%20directory/")
    assert parse(str(url)) == url
    assert parse(f"davs://host/some directory/{name}", literal=True) == url
    assert urls.from_href(url.parent, url.path) == url


@given(st.binary(min_size=1).filter(lambda name: not set(name) & {0, 47} and name not in (b".", b"..")))
def test_names_that_are_no_unicode_keep_their_bytes(name: bytes) -> None:
    text = name.decode("utf-8", "surrogateescape")
    assert urls.join(parse("davs://host/"), text).name.encode("utf-8", "surrogateescape") == name


@given(st.text())
def test_parsing_ends_in_a_url_or_a_refusal(text: str) -> None:
    for scheme in ("davs", "http"):
        try:
            url = parse(f"{scheme}://host/{text}")
        except SpecError:
            continue
        assert url.target.isascii()
        assert not set(url.target) & set(' \r\n\t\0"<>')
        assert url.host == "host"
        assert "/../" not in url.path


def test_parts_of_a_url() -> None:
    url = parse("dav://host/a/b%20c/")
    assert (url.name, str(url.parent), url.secure) == ("b c", "dav://host/a/", False)
    assert str(url.as_file) == "dav://host/a/b%20c"
    assert url.as_directory is url
    assert str(parse("dav://host/a").as_directory) == "dav://host/a/"
    root = parse("dav://host")
    assert (root.name, root.parent) == ("", root)
    assert (root.authority, root.site) == ("host:80", "host")


@pytest.mark.parametrize(
    ("location", "wire"),
    [
        ("/b", "https://host/b"),
        ("b?x=1", "https://host/dir/b?x=1"),
        ("?x=1", "https://host/dir/file?x=1"),
        ("../b", "https://host/b"),
        ("//other:444/b", "https://other:444/b"),
        ("http://other/b#part", "http://other/b"),
        ("davs://other/b", "https://other/b"),
        ("https://other", "https://other/"),
        # What is signed has to stay to the letter.
        ("https://other/a%2b%7e+?X-Amz-Signature=a%2Bb", "https://other/a%2b%7e+?X-Amz-Signature=a%2Bb"),
        ("https://other/a b\u00e9", "https://other/a%20b%C3%A9"),
    ],
)
def test_redirections(location: str, wire: str) -> None:
    assert urls.redirected(parse("davs://host/dir/file"), location).wire == wire


@pytest.mark.parametrize(
    "location", ["ftp://host/a", "file:///etc/passwd", "https://u:p@host/", "https:///a"]
)
def test_redirections_to_elsewhere_are_refused(location: str) -> None:
    with pytest.raises(SpecError):
        urls.redirected(parse("davs://host/a"), location)


def test_a_location_cannot_break_out_of_a_header() -> None:
    url = urls.redirected(parse("davs://host/a"), "/b\r\nEvil: 1")
    assert url.target == "/b%0D%0AEvil:%201"


@pytest.mark.parametrize(
    ("href", "text"),
    [
        ("/d/caf%c3%a9", "davs://host/d/caf%C3%A9"),
        ("https://host/d/a+b", "davs://host/d/a%2Bb"),
        ("https://host:443/d/a%20b", "davs://host/d/a%20b"),
        ("a b", "davs://host/d/a%20b"),
        ("/d/../../etc/passwd", "davs://host/etc/passwd"),
        ("http://host/d/a", "http://host/d/a"),
        ("https://evil/d/a", "davs://evil/d/a"),
    ],
)
def test_hrefs_come_in_our_spelling(href: str, text: str) -> None:
    assert str(urls.from_href(parse("davs://host/d/"), href)) == text


@pytest.mark.parametrize(
    "text",
    [
        "https://host/a?X-Amz-Signature=SECRET&x=1",
        "https://host/a?authz=Bearer%20SECRET",
        "https://user:SECRET@host/a",
        "see https://host/a?sig=SECRET, and davs://host/b",
        'Location: "/a?access_token=SECRET"',
        "Authorization: Bearer SECRET",
        "the token eyJhbGciOiJSUzI1NiJ9.SECRET.x is bad",
    ],
)
def test_what_is_shown_has_no_secret(text: str) -> None:
    assert "SECRET" not in urls.redacted(text)


def test_urls_hide_their_query() -> None:
    url = parse("https://host/a?sig=SECRET")
    assert "SECRET" not in repr(url) + url.redacted + f"{[url]}"
    assert url.is_signed
    assert not parse("https://host/a?metalink").is_signed


@pytest.mark.parametrize("text", ["https://h/a?Signature=x", "https://h/a?b=1&sig=x", "http://h/?authz=y"])
def test_signatures_are_noticed(text: str) -> None:
    assert parse(text).is_signed


def test_is_url() -> None:
    assert all(urls.is_url(f"{scheme}://x") for scheme in ("http", "https", "dav", "davs", "dynafed", "DAVS"))
    assert not any(map(urls.is_url, ("s3://x", "/davs://x", "davs:/x", "file", "")))


@pytest.mark.parametrize(
    ("pattern", "url", "matching"),
    [
        ("host", "davs://host/a", True),
        ("host", "davs://host:8443/a", True),
        ("host:443", "davs://host/a", True),
        ("host:443", "davs://host:8443/a", False),
        ("*.site.example", "davs://a.b.site.example/", True),
        ("*.site.example", "davs://site.example/", False),
        ("*.site.example", "davs://evilsite.example/", False),
        ("*.site.example:1094", "davs://a.site.example:1094/", True),
        ("host", "davs://host.evil/", False),
        ("[::1]", "davs://[::1]:9/", True),
        ("[::1]:9", "davs://[::1]:9/", True),
        ("[::1]:9", "davs://[::1]:8/", False),
    ],
)
def test_patterns_of_hosts(pattern: str, url: str, matching: bool) -> None:
    assert hosts.is_pattern(pattern)
    assert hosts.matches(pattern, parse(url)) is matching


@pytest.mark.parametrize("pattern", ["*", "*.", "https://host", "host/path", "a.*.b", "ho st", "host:", ""])
def test_what_is_no_pattern(pattern: str) -> None:
    assert not hosts.is_pattern(pattern)


def test_a_url_is_a_value() -> None:
    url = parse("davs://host/a")
    assert {url: 1}[Url(scheme="davs", host="host", port=443, path="/a")] == 1
