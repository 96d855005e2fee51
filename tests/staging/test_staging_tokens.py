"""Who gets to see the user's token or certificate, and who does not."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dodas.auth.credentials import Credentials
from dodas.errors import NotAllowed
from dodas.staging.bodies import BytesBody
from dodas.staging.exchange import Exchange
from dodas.staging.settings import Settings
from dodas.staging.urls import parse
from dodas.staging.wire import Request, request_head
from servers.apache import Apache
from servers.issuer import Issuer
from servers.pki import Pki
from servers.scripted import Asked, answer, redirect, scripted
from servers.xrootd import Xrootd

TOKEN = "SECRET.of.ours"
BEARER = f"Bearer {TOKEN}"


@contextmanager
def asking(pki: Pki, *allowed: str, **variables: str) -> Iterator[Exchange]:
    environ = {"SSL_CERT_FILE": str(pki.ca), **variables}
    settings = Settings(attempts=1, token_hosts=allowed)
    with Exchange(settings, Credentials(environ), environ={}) as exchange:
        yield exchange


def shown(asked: Asked) -> str | None:
    return asked.headers.get("authorization")


def test_the_server_that_the_user_named_sees_the_token(pki: Pki) -> None:
    with scripted(pki=pki) as server, asking(pki, BEARER_TOKEN=TOKEN) as exchange:
        exchange.ask("GET", server.url().replace("https", "davs"))
        assert shown(server.asked[0]) == BEARER


def test_nobody_sees_it_in_clear(pki: Pki) -> None:
    with scripted() as server, asking(pki, "localhost", BEARER_TOKEN=TOKEN) as exchange:
        exchange.ask("GET", server.url(), headers={"TransferHeaderAuthorization": BEARER, "X-Other": "1"})
        (asked,) = server.asked
    assert "SECRET" not in str(asked.headers)
    assert asked.headers["x-other"] == "1"


@pytest.mark.parametrize("method", ["GET", "PUT", "COPY"])
def test_a_foreign_server_does_not_see_it(pki: Pki, method: str) -> None:
    """Another port of the same host is another server."""
    own = {"Authorization": BEARER, "TransferHeaderAuthorization": BEARER, "Cookie": BEARER, "Depth": "0"}
    with (
        scripted(pki=pki) as foreign,
        scripted(redirect(foreign.url()), pki=pki) as server,
        asking(pki, BEARER_TOKEN=TOKEN) as exchange,
    ):
        body = BytesBody(b"x") if method == "PUT" else None
        exchange.ask(method, server.url(), body=body, headers=own)
        assert "SECRET" in str(server.asked[0].headers)
        assert "SECRET" not in str(foreign.asked[0].headers)
        assert foreign.asked[0].headers["depth"] == "0"


def test_a_server_that_the_user_allowed_sees_it(pki: Pki) -> None:
    with scripted(pki=pki) as second, scripted(redirect(second.url()), pki=pki) as first:
        with asking(pki, f"localhost:{second.port}", BEARER_TOKEN=TOKEN) as exchange:
            exchange.ask("GET", first.url())
        assert shown(second.asked[0]) == BEARER
        with asking(pki, f"localhost:{first.port}", BEARER_TOKEN=TOKEN) as exchange:
            exchange.ask("GET", first.url())
        assert shown(second.asked[1]) is None


def test_it_comes_back_to_the_first_server(pki: Pki) -> None:
    """Which a foreign one in between does not change."""
    with (
        scripted(pki=pki) as foreign,
        scripted(redirect(foreign.url()), answer(), pki=pki) as first,
        asking(pki, BEARER_TOKEN=TOKEN) as exchange,
    ):
        foreign.replies = [redirect(first.url("again"))]
        exchange.ask("GET", first.url())
        assert [shown(one) for one in first.asked] == [BEARER, BEARER]
        assert shown(foreign.asked[0]) is None


@pytest.mark.parametrize("query", ["X-Amz-Signature=a", "Signature=a", "sv=1&sig=a", "authz=Bearer%20a"])
def test_what_is_signed_is_shown_nothing_else(pki: Pki, query: str) -> None:
    with scripted(pki=pki) as server, asking(pki, "localhost", BEARER_TOKEN=TOKEN) as exchange:
        exchange.ask("GET", f"{server.url()}?{query}")
        server.replies = [redirect(f"/other?{query}"), answer()]
        exchange.ask("GET", server.url())
        assert [shown(one) for one in server.asked] == [None, BEARER, None]


def test_an_answer_of_one_server_about_another_allows_no_more_than_a_redirection(pki: Pki) -> None:
    with scripted(pki=pki) as other, asking(pki, BEARER_TOKEN=TOKEN) as exchange:
        exchange.ask("GET", other.url(), origin=parse("davs://federation.example/file"))
        assert shown(other.asked[0]) is None
        assert exchange.token_for(other.url(), asked="davs://federation.example/file") is None
        token = exchange.token_for(other.url(), asked=other.url("another"))
        assert token is not None
        assert token.value == TOKEN


def test_nothing_that_is_shown_of_a_request_has_the_token_in_it() -> None:
    request = Request(head=request_head("GET", "/", "host", {"Authorization": BEARER}, length=None))
    assert BEARER.encode() in request.head
    assert "SECRET" not in repr(request)


def test_advice_is_about_the_server_that_refused(pki: Pki) -> None:
    no = answer(403, b"no")
    with scripted(no, pki=pki) as second, scripted(redirect(second.url()), pki=pki) as first:
        with asking(pki, BEARER_TOKEN=TOKEN) as exchange, pytest.raises(NotAllowed) as caught:
            exchange.ask("GET", first.url())
        assert "add it to DODAS_STORAGE_TOKEN_HOSTS" in caught.value.hint
        assert f"localhost:{second.port}" in caught.value.hint
        with asking(pki) as exchange, pytest.raises(NotAllowed) as caught:
            exchange.ask("GET", second.url())
        assert "BEARER_TOKEN_FILE" in caught.value.hint
        with asking(pki, BEARER_TOKEN=TOKEN) as exchange, pytest.raises(NotAllowed) as caught:
            exchange.ask("GET", second.url())
        assert "BEARER_TOKEN is meant for this storage" in caught.value.hint
        assert "SECRET" not in f"{caught.value} {caught.value.hint} {caught.value!r}"
    with scripted(no) as clear, asking(pki) as exchange, pytest.raises(NotAllowed) as caught:
        exchange.ask("GET", clear.url())
    assert "davs://" in caught.value.hint


def token_file(folder: Path, token: str) -> Path:
    """Write it as those do who renew tokens."""
    part, file = folder / "part", folder / "token"
    part.write_text(token + "\n")
    part.chmod(0o600)
    part.replace(file)
    return file


def test_a_token_that_was_renewed_is_taken_at_once(pki: Pki, tmp_path: Path) -> None:
    file = token_file(tmp_path, "first")
    with scripted(pki=pki) as server, asking(pki, BEARER_TOKEN_FILE=str(file)) as exchange:
        exchange.ask("GET", server.url())
        token_file(tmp_path, "second")
        exchange.ask("GET", server.url())
        assert [shown(one) for one in server.asked] == ["Bearer first", "Bearer second"]


@pytest.mark.parametrize("status", [401, 403])
def test_a_token_that_is_renewed_while_it_is_refused_is_shown_once_more(
    pki: Pki, tmp_path: Path, status: int
) -> None:
    file = token_file(tmp_path, "old")

    def renew(asked: Asked) -> object:
        token_file(tmp_path, "new")
        return answer(status, b"expired")

    with scripted(renew, answer(201), pki=pki) as server:  # type: ignore[arg-type]
        with asking(pki, BEARER_TOKEN_FILE=str(file)) as exchange:
            exchange.ask("PUT", server.url(), body=BytesBody(b"hello"), ok=(201,), retry=False)
        assert [(shown(one), one.body) for one in server.asked] == [
            ("Bearer old", b"hello"),
            ("Bearer new", b"hello"),
        ]


def test_a_token_that_is_refused_and_not_renewed_is_not_shown_again(pki: Pki, tmp_path: Path) -> None:
    file = token_file(tmp_path, "old")
    with scripted(answer(401), pki=pki) as server, asking(pki, BEARER_TOKEN_FILE=str(file)) as exchange:
        with pytest.raises(NotAllowed):
            exchange.ask("GET", server.url())
        assert len(server.asked) == 1


def test_a_token_that_others_can_read_stops_the_request(pki: Pki, tmp_path: Path) -> None:
    file = token_file(tmp_path, TOKEN)
    file.chmod(0o644)
    with scripted(pki=pki) as server, asking(pki, BEARER_TOKEN_FILE=str(file)) as exchange:
        with pytest.raises(NotAllowed) as caught:
            exchange.ask("GET", server.url())
        assert "chmod 600" in caught.value.hint
        assert server.asked == []
    with scripted() as clear, asking(pki, BEARER_TOKEN_FILE=str(file)) as exchange:
        exchange.ask("GET", clear.url())  # it is not needed here


def test_apache_gives_to_those_with_a_token(pki: Pki, tmp_path: Path) -> None:
    with Apache(tmp_path / "apache", pki=pki, tokens=("good",)) as apache:
        (apache.root / "file").write_bytes(b"x")
        with asking(pki, BEARER_TOKEN="good") as exchange:
            assert exchange.ask("GET", apache.url("file")).read() == b"x"
        file = token_file(tmp_path, "good")
        with asking(pki, BEARER_TOKEN_FILE=str(file)) as exchange:
            assert exchange.ask("GET", apache.url("file")).read() == b"x"
            apache.accept("better")
            with pytest.raises(NotAllowed, match="401"):
                exchange.ask("GET", apache.url("file"))
            token_file(tmp_path, "better")
            assert exchange.ask("GET", apache.url("file")).read() == b"x"


def test_xrootd_gives_to_those_with_a_token_of_the_right_scope(
    pki: Pki, issuer: Issuer, xrootd_tokens: Xrootd
) -> None:
    url = xrootd_tokens.url("tokens/file")
    body = BytesBody(b"hello")
    with asking(pki, BEARER_TOKEN=issuer.token("storage.modify:/ storage.read:/")) as exchange:
        exchange.ask("PUT", url, body=body, ok=(200, 201)).drain()
        assert exchange.ask("GET", url).read() == b"hello"
    with asking(pki, BEARER_TOKEN=issuer.token("storage.read:/")) as exchange:
        assert exchange.ask("GET", url).read() == b"hello"
        with pytest.raises(NotAllowed, match="403"):
            exchange.ask("PUT", url, body=body, ok=(200, 201))
    with asking(pki, BEARER_TOKEN=issuer.expired_token()) as exchange:
        with pytest.raises(NotAllowed) as caught:
            exchange.ask("GET", url)
        assert "expired at" in caught.value.hint
    with asking(pki) as exchange, pytest.raises(NotAllowed):
        exchange.ask("GET", url)


def test_a_certificate_is_shown_where_a_token_would_be(pki: Pki, tmp_path: Path) -> None:
    with Apache(tmp_path / "apache", pki=pki, certificates=True) as apache:
        (apache.root / "file").write_bytes(b"x")
        for variables in (
            {"X509_USER_PROXY": str(pki.proxy)},
            {"X509_USER_CERT": str(pki.user), "X509_USER_KEY": str(pki.user_key)},
        ):
            with asking(pki, **variables) as exchange:
                assert exchange.ask("GET", apache.url("file")).read() == b"x"
                with (
                    scripted(redirect(apache.url("file")), pki=pki) as first,
                    pytest.raises(NotAllowed, match="403"),
                ):
                    exchange.ask("GET", first.url())
            with (
                asking(pki, f"localhost:{apache.port}", **variables) as exchange,
                scripted(redirect(apache.url("file")), pki=pki) as first,
            ):
                assert exchange.ask("GET", first.url()).read() == b"x"
        with asking(pki) as exchange, pytest.raises(NotAllowed, match="403"):
            exchange.ask("GET", apache.url("file"))


def test_a_proxy_that_was_renewed_is_taken_at_once(pki: Pki, tmp_path: Path) -> None:
    proxy = tmp_path / "proxy"
    with Apache(tmp_path / "apache", pki=pki, certificates=True) as apache:
        (apache.root / "file").write_bytes(b"x")
        with asking(pki, X509_USER_PROXY=str(proxy)) as exchange:
            with pytest.raises(NotAllowed, match="X509_USER_PROXY"):
                exchange.ask("GET", apache.url("file"))
            for source, works in ((pki.proxy, True), (pki.old_proxy, False), (pki.proxy, True)):
                part = tmp_path / "part"
                part.write_bytes(source.read_bytes())
                part.chmod(0o600)
                os.replace(part, proxy)
                if works:
                    assert exchange.ask("GET", apache.url("file")).read() == b"x"
                else:
                    with pytest.raises(NotAllowed, match="expired"):
                        exchange.ask("GET", apache.url("file"))
