"""Asking again, and what an answer means; connections to each host; proxies on the way."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.utils import formatdate

import pytest

from dodas.auth.credentials import Credentials
from dodas.errors import (
    AlreadyThere,
    DodasError,
    NotAllowed,
    NotThere,
    SpecError,
    StorageUnreachable,
    TransferError,
)
from dodas.staging import patience
from dodas.staging.bodies import BytesBody
from dodas.staging.exchange import Exchange
from dodas.staging.faults import Unanswered
from dodas.staging.proxies import Proxies
from dodas.staging.settings import Settings
from dodas.staging.urls import parse
from servers.apache import Apache
from servers.scripted import Answer, answer, redirect, scripted

PAUSES = list[float]


@contextmanager
def patient(pauses: PAUSES, **settings: float) -> Iterator[Exchange]:
    """Return one that does not really wait."""
    made = Settings(**settings)  # type: ignore[arg-type]
    with Exchange(made, Credentials.none(), environ={}, sleep=pauses.append) as exchange:
        yield exchange


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_what_passes_is_asked_again(status: int) -> None:
    pauses: PAUSES = []
    with scripted(answer(status), answer(status), answer(200, b"x")) as server, patient(pauses) as exchange:
        assert exchange.ask("GET", server.url()).read() == b"x"
        assert server.connections == 1
    assert 0.25 <= pauses[0] <= 0.5 <= pauses[1] <= 1.0


def test_cut_connections_are_asked_again_from_the_first_server() -> None:
    """The federation may send us elsewhere the next time."""
    pauses: PAUSES = []
    with (
        scripted(Answer(then="reset")) as dead,
        scripted(answer(200, b"x")) as alive,
        scripted(redirect(dead.url()), redirect(alive.url())) as federation,
        patient(pauses) as exchange,
    ):
        assert exchange.ask("GET", federation.url()).read() == b"x"
        assert len(federation.asked) == 2
    assert len(pauses) == 1


def test_patience_ends_and_the_endpoint_is_named() -> None:
    pauses: PAUSES = []
    with (
        scripted(answer(500, b"<html><head><title>Oops</title></head><b>disk&amp;co</b>")) as bad,
        scripted(redirect(bad.url())) as federation,
        patient(pauses, attempts=3) as exchange,
        pytest.raises(Unanswered, match="disk&co") as caught,
    ):
        exchange.ask("GET", federation.url())
    assert len(pauses) == 2
    assert caught.value.endpoint == parse(bad.url())
    assert federation.url() in str(caught.value)
    assert "<" not in str(caught.value)
    assert "Oops" not in str(caught.value)


def test_nobody_who_does_not_want_it_is_asked_again() -> None:
    pauses: PAUSES = []
    with scripted(answer(503)) as server, patient(pauses) as exchange:
        with pytest.raises(StorageUnreachable):
            exchange.ask("GET", server.url(), retry=False)
        assert len(server.asked) == 1
    assert pauses == []


@pytest.mark.parametrize("when", ["7", " 7 ", pytest.param(lambda: formatdate(time.time() + 7.9), id="date")])
def test_a_server_says_when_it_wants_to_be_asked_again(when: str | Callable[[], str]) -> None:
    pauses: PAUSES = []
    text = when if isinstance(when, str) else when()
    with scripted(answer(503, b"", f"Retry-After: {text}"), answer()) as server, patient(pauses) as exchange:
        exchange.ask("GET", server.url())
    assert 5.5 <= pauses[0] <= 8


def test_a_server_that_wants_a_longer_pause_than_the_user_has_failed() -> None:
    pauses: PAUSES = []
    with (
        scripted(answer(503, b"", "Retry-After: 3600")) as server,
        patient(pauses) as exchange,
        pytest.raises(Unanswered) as caught,
    ):
        exchange.ask("GET", server.url())
    assert caught.value.retry_after == 3600
    assert pauses == []


@pytest.mark.parametrize("text", ["", "soon", "-5", "1.5e400", "²", None, "Thu, 99 Nov 1994 08:49:37 GMT"])
def test_nonsense_asks_for_no_pause(text: str | None) -> None:
    assert patience.seconds_asked(text) == 0


def test_pauses_grow_and_have_a_bound() -> None:
    assert all(0.25 <= patience.pause(1, longest=60) <= 0.5 for _ in range(50))
    assert patience.pause(1000, longest=60) == 60
    assert patience.pause(1, longest=60, asked=7) == 7


@pytest.mark.parametrize(("status", "again"), [(500, False), (503, True), (429, True)])
def test_a_change_is_asked_for_again_only_where_nothing_was_done(status: int, again: bool) -> None:
    pauses: PAUSES = []
    with scripted(answer(status), answer(201)) as server, patient(pauses) as exchange:
        if again:
            exchange.ask("MKCOL", server.url(), ok=(201,))
        else:
            with pytest.raises(StorageUnreachable):
                exchange.ask("MKCOL", server.url(), ok=(201,))
    assert len(pauses) == again


def test_nothing_listens_there() -> None:
    with scripted() as server:
        url = server.url()
    pauses: PAUSES = []
    with patient(pauses, attempts=3) as exchange, pytest.raises(Unanswered, match="refused") as caught:
        exchange.ask("MOVE", url)
    assert len(pauses) == 2  # nothing had begun
    assert caught.value.hint


def test_a_host_without_address_is_named() -> None:
    with patient([], attempts=1) as exchange, pytest.raises(StorageUnreachable, match="no address"):
        exchange.ask("GET", "davs://storage.invalid/file")


MEANINGS: list[tuple[str, int, type[DodasError]]] = [
    ("GET", 404, NotThere),
    ("GET", 410, NotThere),
    ("GET", 401, NotAllowed),
    ("GET", 403, NotAllowed),
    ("PUT", 409, NotThere),
    ("PUT", 412, AlreadyThere),
    ("MKCOL", 405, AlreadyThere),
    ("COPY", 405, TransferError),
    ("GET", 423, StorageUnreachable),
    ("PUT", 507, TransferError),
    ("PUT", 413, TransferError),
    ("GET", 599, StorageUnreachable),
    ("GET", 202, TransferError),
    ("GET", 304, TransferError),
    ("PUT", 303, TransferError),
]


@pytest.mark.parametrize(("method", "status", "error"), MEANINGS)
def test_what_statuses_mean(method: str, status: int, error: type[DodasError]) -> None:
    with scripted(answer(status, b"", "Location: /other")) as server, patient([], attempts=1) as exchange:
        with pytest.raises(DodasError) as caught:
            exchange.ask(method, server.url("some%20file?x=1"))
        assert len(server.asked) == 1
    assert issubclass(type(caught.value), error)
    assert error is not TransferError or type(caught.value) is TransferError
    assert f"localhost:{server.port}/some%20file" in str(caught.value)
    assert str(status) in str(caught.value)


def test_words_of_a_server_are_short_and_without_secrets() -> None:
    words = b"see https://host/x?authz=SECRET \x1b[31m and\n more " + b"x" * 10_000
    with (
        scripted(answer(400, words)) as server,
        patient([]) as exchange,
        pytest.raises(TransferError) as caught,
    ):
        exchange.ask("GET", server.url())
    assert len(str(caught.value)) < 400
    assert "SECRET" not in str(caught.value)
    assert str(caught.value).isprintable()


def test_any_status_can_be_wanted() -> None:
    with (
        scripted(answer(207), answer(404), answer(302, b"", "Location: /x")) as server,
        patient([]) as exchange,
    ):
        for expected in (207, 404, 302):
            assert exchange.ask("GET", server.url(), ok=range(200, 600)).status == expected


def test_there_are_never_more_connections_to_a_host_than_the_user_allows(apache: Apache) -> None:
    (apache.root / "file").write_bytes(b"x" * 1000)
    busy, most = [0], [0]
    lock = threading.Lock()

    def fetch() -> None:
        for _ in range(20):
            with exchange.ask("GET", apache.url("file")) as response:
                with lock:
                    busy[0] += 1
                    most[0] = max(most[0], busy[0])
                with lock:
                    busy[0] -= 1  # before the connection is given back
                assert response.read() == b"x" * 1000

    with patient([], per_host=2) as exchange:
        threads = [threading.Thread(target=fetch) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert 1 <= most[0] <= 2
        assert len(apache.requests()) == 160


def test_connections_to_hosts_that_nobody_asks_any_more_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dodas.staging.pool._LONGEST", 0.0)
    with scripted() as old, scripted() as new, patient([]) as exchange:
        exchange.ask("GET", old.url())
        (kept,) = exchange._pool._kept.values()
        exchange.ask("GET", new.url())
        assert kept[0]._connection.fileno() == -1


def test_a_thread_does_not_wait_for_itself() -> None:
    with (
        scripted(answer(200, b"x" * 100)) as server,
        patient([], per_host=1) as exchange,
        exchange.ask("GET", server.url()) as first,
        exchange.ask("GET", server.url()) as second,
    ):
        assert first.read() == second.read()


def test_a_connection_can_be_given_back_by_another_thread() -> None:
    with scripted(answer(200, b"x" * 100)) as server, patient([], per_host=1) as exchange:
        response = exchange.ask("GET", server.url())
        thread = threading.Thread(target=response.read)
        thread.start()
        thread.join()
        other: list[bytes] = []
        thread = threading.Thread(target=lambda: other.append(exchange.ask("GET", server.url()).read()))
        thread.start()
        thread.join()
        assert len(other) == 1


def test_those_who_wait_for_different_hosts_do_not_wake_each_other_in_vain() -> None:
    with (
        scripted(answer(200, b"x" * 100)) as one,
        scripted(answer(200, b"x" * 100)) as other,
        patient([], per_host=1) as exchange,
    ):
        held = [exchange.ask("GET", server.url()) for server in (one, other)]
        done: list[bytes] = []

        def fetch(url: str) -> None:
            done.append(exchange.ask("GET", url).read())

        threads = [
            threading.Thread(target=fetch, args=(server.url(),)) for server in (one, one, other, other)
        ]
        for thread in threads:
            thread.start()
        for response in reversed(held):
            response.drain()
        for thread in threads:
            thread.join(30)
        assert len(done) == 4


def test_closing_ends_waits_and_later_requests() -> None:
    with scripted(answer(503, b"", "Retry-After: 50")) as server:
        exchange = Exchange(Settings(), Credentials.none(), environ={})
        failures: list[BaseException] = []

        def ask() -> None:
            try:
                exchange.ask("GET", server.url())
            except StorageUnreachable as error:
                failures.append(error)

        thread = threading.Thread(target=ask)
        thread.start()
        while not server.asked:
            thread.join(0.01)
        exchange.close()
        thread.join(20)
        assert len(failures) == 1
        with pytest.raises(StorageUnreachable, match="closed"):
            exchange.ask("GET", server.url())


def through(proxy: str, **more: str) -> Exchange:
    environ = {"HTTP_PROXY": proxy, "https_proxy": proxy, **more}
    return Exchange(Settings(attempts=1), Credentials.none(), environ=environ)


def test_a_proxy_is_asked_for_the_whole_url() -> None:
    with scripted(answer(200, b"x")) as proxy:
        with through(f"http://us%40er:pass@localhost:{proxy.port}") as exchange:
            assert exchange.ask("GET", "dav://storage.invalid/a b").read() == b"x"
        (asked,) = proxy.asked
    assert asked.target == "http://storage.invalid/a%20b"
    assert asked.headers["proxy-authorization"] == "Basic dXNAZXI6cGFzcw=="
    assert asked.headers["host"] == "storage.invalid"


def test_a_proxy_that_does_not_connect_is_named() -> None:
    with (
        scripted(answer(407)) as proxy,
        through(f"localhost:{proxy.port}") as exchange,
        pytest.raises(StorageUnreachable, match="behind the proxy localhost, which answered 407"),
    ):
        exchange.ask("GET", "davs://storage.invalid/a")
    assert (proxy.asked[0].method, proxy.asked[0].target) == ("CONNECT", "storage.invalid:443")


@pytest.mark.parametrize(
    ("without", "url", "direct"),
    [
        ("", "dav://localhost/", True),
        ("", "dav://127.0.0.2/", True),
        ("", "dav://[::1]/", True),
        ("", "dav://host.example/", False),
        ("*", "dav://host.example/", True),
        ("example", "dav://host.example/", True),
        (".example", "dav://host.example/", True),
        ("*.example", "dav://host.example/", True),
        ("ample", "dav://host.example/", False),
        ("a, host.example:8080", "dav://host.example:8080/", True),
        ("host.example:8080", "dav://host.example/", False),
        ("10.0.0.0/8", "dav://10.1.2.3/", True),
        ("10.0.0.0/8", "dav://11.1.2.3/", False),
        ("10.0.0.0/99", "dav://10.1.2.3/", False),
        ("[fe80::1]:80", "dav://[fe80::1]/", True),
        ("fe80::1", "dav://[fe80::1]/", True),
    ],
)
def test_who_is_spoken_to_without_a_proxy(without: str, url: str, direct: bool) -> None:
    proxies = Proxies({"all_proxy": "http://proxy:3128", "NO_PROXY": without})
    assert (proxies.of(parse(url)) is None) is direct


@pytest.mark.parametrize("text", ["socks5://proxy", "http://", "http://proxy:port", "https://proxy"])
def test_what_is_no_proxy_is_named(text: str) -> None:
    with pytest.raises(SpecError, match="HTTPS_PROXY"):
        Proxies({"HTTPS_PROXY": text})


def test_a_proxy_keeps_its_password_to_itself() -> None:
    proxy = Proxies({"http_proxy": "http://user:SECRET@proxy"}).of(parse("http://x"))
    assert proxy is not None
    assert "SECRET" not in repr(proxy)
    assert "U0VDUkVU" not in repr(proxy)


def test_a_body_is_sent_again_with_each_attempt() -> None:
    pauses: PAUSES = []
    bad = Answer(then="reset")
    with scripted(bad, answer(503), bad, answer(201)) as server, patient(pauses) as exchange:
        exchange.ask("PUT", server.url(), body=BytesBody(b"hello"), ok=(201,))
        assert [one.body for one in server.asked] == [b"hello"] * 4
    assert len(pauses) == 2  # none after a kept connection broke: a new one may do
