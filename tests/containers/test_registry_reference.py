"""Names of images are read as Docker reads them, and never as another registry's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dodas.containers.reference import Reference
from dodas.errors import SpecError

SHA = "sha256:" + "0123456789abcdef" * 4

# name as typed -> host, repository, tag, digest, and the usual short form
NAMES = [
    ("debian", "docker.io", "library/debian", "latest", "", "debian:latest"),
    ("debian:bookworm", "docker.io", "library/debian", "bookworm", "", "debian:bookworm"),
    ("docker.io/debian", "docker.io", "library/debian", "latest", "", "debian:latest"),
    ("index.docker.io/library/debian", "docker.io", "library/debian", "latest", "", "debian:latest"),
    ("biocontainers/bwa:v0.7", "docker.io", "biocontainers/bwa", "v0.7", "", "biocontainers/bwa:v0.7"),
    ("docker://debian:12", "docker.io", "library/debian", "12", "", "debian:12"),
    ("quay.io/a/b/c:1", "quay.io", "a/b/c", "1", "", "quay.io/a/b/c:1"),
    ("localhost/a", "localhost", "a", "latest", "", "localhost/a:latest"),
    ("localhost:5000/a", "localhost:5000", "a", "latest", "", "localhost:5000/a:latest"),
    ("127.0.0.1:5000/debian", "127.0.0.1:5000", "debian", "latest", "", "127.0.0.1:5000/debian:latest"),
    ("[::1]:5000/a:1", "[::1]:5000", "a", "1", "", "[::1]:5000/a:1"),
    (f"debian@{SHA}", "docker.io", "library/debian", "", SHA, f"debian@{SHA}"),
    (f"debian:12@{SHA}", "docker.io", "library/debian", "12", SHA, f"debian:12@{SHA}"),
    (f"library/debian:{SHA}", "docker.io", "library/debian", "", SHA, f"debian@{SHA}"),
    ("docker.io/foo.bar/baz", "docker.io", "foo.bar/baz", "latest", "", "docker.io/foo.bar/baz:latest"),
    ("foo.bar/baz", "foo.bar", "baz", "latest", "", "foo.bar/baz:latest"),
    ("host:5000", "docker.io", "library/host", "5000", "", "host:5000"),
]


@pytest.mark.parametrize(("text", "host", "repository", "tag", "digest", "short"), NAMES)
def test_reads_what_docker_reads(
    text: str, host: str, repository: str, tag: str, digest: str, short: str
) -> None:
    found = Reference.parse(text)
    assert found == Reference(host=host, repository=repository, tag=tag, digest=digest)
    assert str(found) == short


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "/", "a/", "/a", "a//b", "a:", "a@", "a:b:c", "a b", "a\n", "a\0b", "-a", "a-", "a/.b"),
        *("../a", "a/../b", "a/..:x", "a:..", "a:-x", "Debian", "a/B", "localhost:port/a", "a:" + "x" * 129),
        *("http://a/b", "https://quay.io/a", f"a@{SHA[:-1]}", f"a@{SHA.upper()}", "a@md5:" + "0" * 32),
        *(f"{SHA}", "0" * 64, "café", "a.b/", "x.y:z/a", "$(id)", "a;b", "'a'", "%2e%2e/a", "a/" * 128 + "a"),
    ],
)
def test_refuses_what_is_no_name(text: str) -> None:
    with pytest.raises(SpecError) as caught:
        Reference.parse(text)
    assert caught.value.hint
    assert "\n" not in str(caught.value)


WORDS = st.from_regex(r"\A[a-z0-9]{1,6}(?:(?:\.|_|__|-{1,3})[a-z0-9]{1,6}){0,2}\Z")
HOSTS = st.one_of(
    st.just("docker.io"),
    st.from_regex(r"\A(?:[a-z0-9]{1,5}(?:-[a-z0-9]{1,3})?\.){1,3}[a-z]{2,5}(?::[0-9]{1,5})?\Z"),
    st.sampled_from(["localhost", "localhost:5000", "127.0.0.1:5000", "host:1", "[::1]", "[fe80::1]:99"]),
)
TAGS = st.from_regex(r"\A[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}\Z")


@st.composite
def references(draw: st.DrawFn) -> Reference:
    host = draw(HOSTS)
    repository = "/".join(draw(st.lists(WORDS, min_size=1, max_size=4)))
    if host == "docker.io" and "/" not in repository:
        repository = f"library/{repository}"
    digest = draw(st.sampled_from(["", SHA]))
    tag = draw(TAGS) if not digest else draw(st.one_of(st.just(""), TAGS))
    return Reference(host=host, repository=repository, tag=tag, digest=digest)


@given(references())
def test_the_short_form_is_read_back(reference: Reference) -> None:
    assert Reference.parse(str(reference)) == reference


@given(references())
def test_what_is_filed_is_found_again(reference: Reference) -> None:
    for repository, tag in reference.store_names:
        found = Reference.filed(repository, tag)
        assert (found.host, found.repository) == (reference.host, reference.repository)
        assert found.identifier == reference.identifier


@given(references(), references())
def test_two_images_are_never_filed_in_one_place(one: Reference, other: Reference) -> None:
    if (one.host, one.repository, one.identifier) != (other.host, other.repository, other.identifier):
        assert not set(one.store_names) & set(other.store_names)


@given(references())
def test_a_place_in_the_store_stays_in_the_store(reference: Reference) -> None:
    for repository, tag in reference.store_names:
        parts = f"{repository}/{tag}".split("/")
        assert not {"", ".", ".."} & set(parts)


@given(st.text(max_size=40))
def test_any_text_is_a_name_or_is_refused(text: str) -> None:
    try:
        reference = Reference.parse(text)
    except SpecError:
        return
    assert Reference.parse(str(reference)) == reference


def test_is_filed_where_udocker_looks() -> None:
    assert Reference.parse("docker.io/library/debian:12").store_name == ("debian", "12")
    assert Reference.parse(f"quay.io/a/b@{SHA}").store_name == ("quay.io/a/b", SHA)
    # udocker cuts a name at its first colon
    assert Reference.parse("localhost:5000/a/b:1").store_name == ("localhost/5000/a", "b:1")


def test_finds_what_udocker_filed_as_typed() -> None:
    names = Reference.parse("debian:12").store_names
    assert ("library/debian", "12") in names
    assert ("docker.io/library/debian", "12") in names
    assert Reference.parse("docker.io/foo.bar/baz:1").store_names == (("docker.io/foo.bar/baz", "1"),)
