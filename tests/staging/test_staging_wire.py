"""HTTP as it comes over a connection: right, odd, and broken at any byte."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from dodas.auth.credentials import Credentials
from dodas.errors import SpecError, StorageUnreachable, TransferError
from dodas.staging.bodies import BytesBody, FileBody
from dodas.staging.exchange import Exchange
from dodas.staging.headers import parse
from dodas.staging.settings import Settings
from dodas.staging.urls import parse as parse_url
from servers.apache import Apache
from servers.scripted import Answer, answer, redirect, scripted

HUGE = 3 << 20


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    with Exchange(Settings(attempts=1), Credentials.none(), environ={}) as exchange:
        yield exchange


def whole(data: bytes) -> Answer:
    return Answer(data=data, then="close")


@pytest.mark.parametrize(
    ("data", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", b"hello"),
        (b"HTTP/1.1 200\r\ncontent-length:5\r\n\r\nhello", b"hello"),
        (b"HTTP/1.0 200 OK\n\nhello", b"hello"),
        (b"HTTP/1.1 200 OK\r\n\r\n", b""),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello", b"hello"),
        (b"HTTP/1.1 103 Early\r\nLink: <x>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", b"x"),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;a=b\r\nllo\r\n0\r\n\r\n",
            b"hello",
        ),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n0\r\nDigest: x\r\n\r\n", b""),
    ],
)
def test_bodies_end_where_they_should(exchange: Exchange, data: bytes, body: bytes) -> None:
    with scripted(whole(data)) as server, exchange.ask("GET", server.url()) as response:
        assert response.read() == body
        assert response.read() == b""
        assert response.readinto(bytearray(1)) == 0


LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n01234\r\n5\r\n56789\r\n0\r\n\r\n"


@pytest.mark.parametrize("data", [LENGTH, CHUNKED])
def test_a_connection_cut_at_any_byte_is_noticed(exchange: Exchange, data: bytes) -> None:
    with scripted(*(whole(data[:end]) for end in range(len(data)))) as server:
        for _ in range(len(data)):
            with pytest.raises(StorageUnreachable), exchange.ask("GET", server.url()) as response:
                response.read()


@pytest.mark.parametrize("then", ["close", "reset"])
def test_what_came_before_a_cut_can_be_kept(exchange: Exchange, then: str) -> None:
    data = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n01234"
    with scripted(Answer(data=data, then=then)) as server, exchange.ask("GET", server.url()) as response:
        assert response.read(3) == b"012"
        with pytest.raises(StorageUnreachable, match="closed the connection"):
            response.read()
        with pytest.raises(StorageUnreachable):
            response.read()


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 99 x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0x5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-2\r\nhe\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhello\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n99999999999999999\r\nhello\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * (1 << 20),
        b"HTTP/1.1 100 Continue\r\n\r\n" * 100,
    ],
)
def test_nonsense_is_refused(exchange: Exchange, data: bytes) -> None:
    with (
        scripted(whole(data)) as server,
        pytest.raises(StorageUnreachable),
        exchange.ask("GET", server.url()) as response,
    ):
        response.read()


def test_silence_ends() -> None:
    with Exchange(Settings(attempts=1, idle_timeout=0.1), Credentials.none(), environ={}) as exchange:
        with scripted(Answer(then="hold")) as server, pytest.raises(StorageUnreachable, match="silent"):
            exchange.ask("GET", server.url())
        with (
            scripted(Answer(data=LENGTH[:-2], then="hold")) as server,
            exchange.ask("GET", server.url()) as response,
        ):
            assert response.read(8) == b"01234567"
            with pytest.raises(StorageUnreachable, match="silent"):
                response.read()


def test_a_server_that_has_to_work_gets_the_time_for_it() -> None:
    with (
        Exchange(Settings(attempts=1, idle_timeout=0.001), Credentials.none(), environ={}) as exchange,
        scripted(answer()) as server,
    ):
        exchange.ask("GET", server.url(), silence=60)
        exchange.ask("GET", server.url(), silence=60)
        server.replies = [Answer(then="hold")]
        with pytest.raises(StorageUnreachable, match="silent"):
            exchange.ask("GET", server.url())
        assert server.connections == 1


@pytest.mark.parametrize("method", ["HEAD", "DELETE", "GET"])
def test_answers_without_a_body_give_the_connection_back(exchange: Exchange, method: str) -> None:
    data = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n" if method == "HEAD" else b"HTTP/1.1 204 No\r\n\r\n"
    with scripted(Answer(data=data)) as server:
        for _ in range(3):
            exchange.ask(method, server.url(), ok=(200, 204))
        assert server.connections == 1


def test_a_connection_is_kept_only_when_the_answer_was_read(exchange: Exchange) -> None:
    with scripted(answer(200, b"x" * HUGE)) as server:
        with exchange.ask("GET", server.url()) as response:
            assert response.length == HUGE
            assert response.read(10) == b"x" * 10
        with exchange.ask("GET", server.url()) as response:
            assert len(response.read()) == HUGE
        exchange.ask("GET", server.url()).close()
        assert [one.connection for one in server.asked[:2]] == [0, 1]
        assert server.asked[2].connection == 1


def test_little_that_nobody_read_is_read_for_the_next_request(exchange: Exchange) -> None:
    with scripted(answer(200, b"x" * 100)) as server:
        for _ in range(3):
            exchange.ask("GET", server.url()).drain()
        assert server.connections == 1


def test_a_connection_that_the_server_closed_meanwhile_does_no_harm(exchange: Exchange) -> None:
    """Also when it says nothing of it, and closes just when the next request comes."""
    with scripted(answer(200, b"1"), Answer(then="close"), answer(200, b"2")) as server:
        assert exchange.ask("GET", server.url()).read() == b"1"
        assert exchange.ask("GET", server.url()).read() == b"2"
        assert server.connections == 2


def test_a_server_that_closes_every_connection_is_not_asked_for_ever(exchange: Exchange) -> None:
    with scripted(Answer(then="close")) as server:
        with pytest.raises(StorageUnreachable, match="closed the connection"):
            exchange.ask("GET", server.url())
        assert len(server.asked) == 1


def test_what_must_not_happen_twice_is_not_sent_twice(exchange: Exchange) -> None:
    with scripted(answer(), Answer(then="close")) as server:
        exchange.ask("GET", server.url()).drain()
        with pytest.raises(StorageUnreachable):
            exchange.ask("MOVE", server.url(), headers={"Destination": server.url("other")})
        assert server.methods == ["GET", "MOVE"]


def test_a_body_is_sent_whole(exchange: Exchange, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(os.urandom(HUGE))
    with scripted(answer(201)) as server:
        for seen in (None, bytearray()):
            with FileBody(file, observer=None if seen is None else seen.extend) as body:
                exchange.ask("PUT", server.url(), body=body, ok=(201,))
            assert server.asked[-1].body == file.read_bytes()
            assert seen in (None, file.read_bytes())
            assert server.asked[-1].headers["expect"] == "100-continue"
        with FileBody(file, offset=5, length=7) as body:
            exchange.ask("PUT", server.url(), body=body, ok=(201,))
        assert server.asked[-1].body == file.read_bytes()[5:12]
        exchange.ask("PUT", server.url(), body=BytesBody(b""), ok=(201,))
        assert server.asked[-1].headers["content-length"] == "0"


def test_a_body_is_sent_to_a_server_that_never_says_whether_it_wants_it(exchange: Exchange) -> None:
    """It is waited for once."""
    with scripted(Answer(data=answer(201).data, consent=b"")) as server:
        for _ in range(2):
            exchange.ask("PUT", server.url(), body=BytesBody(b"x" * HUGE), ok=(201,))
        assert ["expect" in one.headers for one in server.asked] == [True, False]
        assert {len(one.body) for one in server.asked} == {HUGE}


def test_a_server_that_knows_no_questions_is_not_asked_any(exchange: Exchange) -> None:
    with scripted(answer(417, then="close", reads_body=False), answer(201)) as server:
        for _ in range(2):
            exchange.ask("PUT", server.url(), body=BytesBody(b"x" * HUGE), ok=(201,))
        assert ["expect" in one.headers for one in server.asked] == [True, False, False]


def test_consent_that_comes_late_is_no_answer(exchange: Exchange) -> None:
    late = Answer(data=b"HTTP/1.1 100 Continue\r\n\r\n" + answer(201).data, consent=b"")
    with scripted(late) as server:
        assert exchange.ask("PUT", server.url(), body=BytesBody(b"x" * HUGE), ok=(201,)).status == 201


@pytest.mark.parametrize("then", ["close", "reset", "keep"])
def test_a_refusal_before_the_body_is_the_answer(exchange: Exchange, then: str) -> None:
    no = answer(507, b"disk full", then=then, reads_body=False)
    with scripted(no) as server, pytest.raises(TransferError, match="disk full"):
        exchange.ask("PUT", server.url(), body=BytesBody(b"x" * HUGE), ok=(201,))


def test_a_server_that_is_done_too_early_is_not_believed(exchange: Exchange) -> None:
    """Whoever has not read the file has not stored it."""
    with scripted(Answer(data=answer(201).data, consent=b"", reads_body=False, then="hold")) as server:
        exchange._asker._silent.add(f"localhost:{server.port}")
        with pytest.raises(StorageUnreachable, match="before it had been sent everything"):
            exchange.ask("PUT", server.url(), body=BytesBody(b"x" * (64 << 20)), ok=(201,))


def test_a_redirection_before_the_body_is_followed_with_the_body(exchange: Exchange) -> None:
    with scripted(answer(201)) as target, scripted(redirect(target.url())) as federation:
        response = exchange.ask("PUT", federation.url(), body=BytesBody(b"x" * HUGE), ok=(201,))
        assert [one.body for one in target.asked] == [b"x" * HUGE]
        assert response.url == parse_url(target.url())
        assert response.hops == (parse_url(federation.url()),)


def test_each_byte_is_observed_once_however_often_it_is_sent(exchange: Exchange, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(os.urandom(1000))
    seen = bytearray()
    with scripted(answer(201)) as target, scripted(redirect(target.url())) as federation:
        with FileBody(file, observer=seen.extend) as body:
            exchange.ask("PUT", federation.url(), body=body, ok=(201,))
        assert len(federation.asked[0].body) == len(target.asked[0].body) == 1000
    assert seen == file.read_bytes()


def test_a_file_that_shrinks_while_it_is_sent_is_an_error_of_ours(exchange: Exchange, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"x" * HUGE)
    for observer in (None, bytearray().extend):
        with FileBody(file, observer=observer) as body, scripted(answer(201)) as server:
            os.truncate(file, 10)
            with pytest.raises(TransferError, match="shorter") as caught:
                exchange.ask("PUT", server.url(), body=body, ok=(201,))
            assert not isinstance(caught.value, StorageUnreachable)
        os.truncate(file, HUGE)


def test_a_file_that_is_not_there_has_no_body(tmp_path: Path) -> None:
    with pytest.raises(TransferError, match="No such file"):
        FileBody(tmp_path / "none")


@pytest.mark.parametrize(
    "field", [{"X": "a\r\nEvil: 1"}, {"X": "a\n"}, {"X\r\nEvil": "1"}, {"X": "a\0"}, {"": "x"}]
)
def test_a_header_cannot_be_broken_out_of(exchange: Exchange, field: dict[str, str]) -> None:
    with scripted() as server, pytest.raises(SpecError):
        exchange.ask("GET", server.url(), headers=field)


def test_header_fields() -> None:
    headers = parse(
        ["Link: <a>; rel=x", "link: <b>", "Folded: one", "  two", "no field", "Connection: Close"]
    )
    assert headers["LINK"] == "<a>; rel=x, <b>"
    assert headers.all("Link") == ("<a>; rel=x", "<b>")
    assert headers.get("folded") == "one two"
    assert headers.get("none") is None
    assert headers.all("none") == ()
    assert headers.has("connection", "close")
    assert "FOLDED" in headers
    assert sorted(headers) == ["connection", "folded", "link"]


def test_apache_stores_and_gives_any_bytes(exchange: Exchange, apache: Apache, tmp_path: Path) -> None:
    file = tmp_path / "file"
    for size in (0, 1, 4096, 65_536, 65_537, HUGE + 1):
        file.write_bytes(os.urandom(size))
        with FileBody(file) as body:
            exchange.ask("PUT", apache.url("a%20b"), body=body, ok=(201, 204)).close()
        with exchange.ask("GET", apache.url("a%20b")) as response:
            assert response.length == size
            assert response.read() == file.read_bytes() == (apache.root / "a b").read_bytes()
