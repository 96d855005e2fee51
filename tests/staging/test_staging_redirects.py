"""Redirections: the method and the body stay, circles end, and nothing goes on in clear."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dodas.auth.credentials import Credentials
from dodas.errors import NotAllowed, StorageUnreachable, TransferError
from dodas.staging.bodies import BytesBody
from dodas.staging.exchange import Exchange
from dodas.staging.faults import Unanswered
from dodas.staging.settings import Settings
from dodas.staging.urls import parse
from servers.apache import Apache
from servers.dynafed import Dynafed
from servers.pki import Pki
from servers.scripted import answer, redirect, scripted
from servers.xrootd_federation import XrootdFederation


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    with Exchange(Settings(attempts=1), Credentials.none(), environ={}) as exchange:
        yield exchange


@pytest.mark.parametrize("status", [301, 302, 307, 308])
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PROPFIND", "MKCOL", "MOVE", "COPY"])
def test_the_method_and_the_body_stay(exchange: Exchange, status: int, method: str) -> None:
    body = BytesBody(b"hello") if method in ("PUT", "PROPFIND") else None
    with scripted(answer()) as target, scripted(redirect(target.url("there"), status)) as first:
        response = exchange.ask(method, first.url("here"), body=body, headers={"Depth": "1"})
        (asked,) = target.asked
    assert (asked.method, asked.target, asked.headers["depth"]) == (method, "/there", "1")
    assert asked.body == (b"hello" if body else b"")
    assert (response.url, response.hops) == (parse(target.url("there")), (parse(first.url("here")),))
    assert response.endpoint == target.url("there")


def test_see_other_is_followed_to_read_and_never_to_change(exchange: Exchange) -> None:
    with scripted(answer(200, b"x")) as target, scripted(redirect(target.url(), 303)) as first:
        assert exchange.ask("GET", first.url()).read() == b"x"
        with pytest.raises(TransferError, match="303"):
            exchange.ask("PUT", first.url(), body=BytesBody(b"x"))
        assert target.methods == ["GET"]


def test_a_redirection_is_an_answer_where_it_is_not_followed(exchange: Exchange) -> None:
    with scripted(redirect("http://elsewhere.invalid/")) as first:
        assert exchange.ask("HEAD", first.url(), ok=(200, 302)).headers["location"]
        with pytest.raises(TransferError, match="302"):
            exchange.ask("HEAD", first.url(), follow=False)


def test_circles_end(exchange: Exchange) -> None:
    with scripted(redirect("/file")) as alone, pytest.raises(Unanswered, match="circle"):
        exchange.ask("GET", alone.url())
    with scripted() as first, scripted(redirect(first.url())) as second:
        first.replies = [redirect(second.url())]
        with pytest.raises(Unanswered, match="circle"):
            exchange.ask("PUT", first.url(), body=BytesBody(b"x"))
        assert (len(first.asked), len(second.asked)) == (1, 1)


def test_ways_without_end_end(exchange: Exchange) -> None:
    with scripted(lambda asked: redirect(asked.target + "x")) as server:
        with pytest.raises(StorageUnreachable, match="more than 10"):
            exchange.ask("GET", server.url())
        assert len(server.asked) == 11


@pytest.mark.parametrize("location", ["ftp://host/a", "https://user:SECRET@host/", "http://host:99999/"])
def test_ways_to_nowhere_end(exchange: Exchange, location: str) -> None:
    with scripted(redirect(location)) as server, pytest.raises(Unanswered) as caught:
        exchange.ask("GET", server.url())
    assert "SECRET" not in str(caught.value)


def test_a_redirection_without_a_place_is_refused(exchange: Exchange) -> None:
    with scripted(answer(302)) as server, pytest.raises(TransferError, match="302"):
        exchange.ask("GET", server.url())


def test_relative_places(exchange: Exchange) -> None:
    with scripted(redirect("../b%20c?x=1"), answer()) as server:
        exchange.ask("GET", server.url("d/a"))
        assert [one.target for one in server.asked] == ["/d/a", "/b%20c?x=1"]
        assert server.connections == 1


def test_what_is_signed_arrives_to_the_letter_and_is_not_shown(exchange: Exchange) -> None:
    place = "/a%2b%7E?X-Amz-Signature=SECRET%2f&x=+"
    with scripted(redirect(place), answer(403)) as server, pytest.raises(NotAllowed) as caught:
        exchange.ask("GET", server.url())
    assert server.asked[1].target == place
    assert "SECRET" not in f"{caught.value} {caught.value.hint}"


def test_out_of_encryption_only_without_credentials(pki: Pki) -> None:
    trust = {"SSL_CERT_FILE": str(pki.ca)}
    with scripted(answer(200, b"x")) as clear, scripted(redirect(clear.url()), pki=pki) as first:
        with Exchange(Settings(attempts=1), Credentials(trust), environ={}) as exchange:
            assert exchange.ask("GET", first.url()).read() == b"x"
        with (
            Exchange(Settings(attempts=1), Credentials({**trust, "BEARER_TOKEN": "abc"})) as exchange,
            pytest.raises(NotAllowed, match="not encrypted"),
        ):
            exchange.ask("GET", first.url())
        assert len(clear.asked) == 1


def test_apache_redirects_directories(exchange: Exchange, apache: Apache) -> None:
    (apache.root / "d").mkdir()
    response = exchange.ask("PROPFIND", apache.url("d"), headers={"Depth": "0"}, ok=(207,))
    assert response.url.path == "/d/"
    assert b"/d/" in response.read()


def test_a_federation_stores_at_one_of_its_sites(exchange: Exchange, dynafed: Dynafed) -> None:
    data = b"x" * 300_000
    response = exchange.ask("PUT", dynafed.url("a/b/c/file"), body=BytesBody(data), ok=(201,))
    response.drain()
    assert dynafed.copies("a/b/c/file").count(data) == 1
    assert response.hops == (parse(dynafed.url("a/b/c/file")),)
    with exchange.ask("GET", dynafed.url("a/b/c/file")) as response:
        assert response.read() == data


def test_a_federation_of_xrootd_stores_at_one_of_its_sites(
    exchange: Exchange, xrootd_federation: XrootdFederation
) -> None:
    data = b"y" * 300_000
    url = xrootd_federation.url("redirects/file")
    response = exchange.ask("PUT", url, body=BytesBody(data), ok=(200, 201))
    response.drain()
    assert response.hops
    copies = [site.root / "redirects" / "file" for site in xrootd_federation.sites]
    assert [file.read_bytes() for file in copies if file.exists()] == [data]
    with exchange.ask("GET", url) as response:
        assert response.read() == data
    exchange.ask("DELETE", url, ok=(200, 204)).drain()
