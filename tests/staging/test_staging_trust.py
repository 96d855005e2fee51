"""TLS: whom to believe, and what happens to those who cannot be believed."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from dodas.auth.credentials import Credentials
from dodas.errors import NotAllowed, StorageUnreachable, TransferError
from dodas.staging.bodies import FileBody
from dodas.staging.cuts import Distrust
from dodas.staging.exchange import Exchange
from dodas.staging.settings import Settings
from servers.apache import Apache
from servers.pki import Pki, make_pki
from servers.scripted import Answer, answer, scripted
from servers.xrootd import Xrootd

HUGE = 5 << 20


@contextmanager
def believing(environ: dict[str, str], **settings: float) -> Iterator[Exchange]:
    made = Settings(**{"attempts": 1, **settings})  # type: ignore[arg-type]
    with Exchange(made, Credentials(environ), environ={}) as exchange:
        yield exchange


@pytest.fixture
def exchange(pki: Pki) -> Iterator[Exchange]:
    with believing({"SSL_CERT_FILE": str(pki.ca)}) as exchange:
        yield exchange


def test_authorities_from_each_place(pki: Pki, apache_tls: Apache) -> None:
    (apache_tls.root / "file").write_bytes(b"x")
    for environ in (
        {"SSL_CERT_FILE": str(pki.ca)},
        {"SSL_CERT_DIR": f"/nowhere:{pki.directory}"},
        {"X509_CERT_DIR": str(pki.directory)},
    ):
        with believing(environ) as exchange:
            assert exchange.ask("GET", apache_tls.url("file").replace("https", "davs")).read() == b"x"


def test_a_server_of_an_unknown_authority_is_not_asked(pki: Pki) -> None:
    pauses: list[float] = []
    with (
        scripted(pki=pki) as server,
        Exchange(Settings(), Credentials({}), environ={}, sleep=pauses.append) as exchange,
        pytest.raises(Distrust, match="not to be trusted") as caught,
    ):
        exchange.ask("GET", server.url())
    assert server.asked == []
    assert pauses == []
    assert "X509_CERT_DIR" in caught.value.hint


def test_addresses_can_be_vouched_for_too(exchange: Exchange, pki: Pki) -> None:
    with scripted(answer(200, b"x"), pki=pki) as server:
        assert exchange.ask("GET", server.url(host="127.0.0.1")).read() == b"x"


def test_a_server_that_does_not_speak_tls(exchange: Exchange) -> None:
    with scripted() as server, pytest.raises(StorageUnreachable, match="TLS"):
        exchange.ask("GET", server.url().replace("http", "https"))


def test_authorities_that_cannot_be_read_are_named(tmp_path: Path, pki: Pki) -> None:
    with scripted(pki=pki) as server:
        for variable, name in (("SSL_CERT_FILE", "none"), ("SSL_CERT_FILE", "empty")):
            (tmp_path / "empty").touch()
            with (
                believing({variable: str(tmp_path / name)}) as exchange,
                pytest.raises(TransferError, match=name) as caught,
            ):
                exchange.ask("GET", server.url())
            assert variable in caught.value.hint


def test_an_end_without_farewell_is_a_cut(exchange: Exchange, pki: Pki) -> None:
    """Anybody in between can close a connection; that must not look like the end of a file."""
    data = b"HTTP/1.1 200 OK\r\n\r\nhalf of it"
    with (
        scripted(Answer(data=data, then="close"), pki=pki) as server,
        exchange.ask("GET", server.url()) as response,
        pytest.raises(StorageUnreachable),
    ):
        response.read()


@pytest.mark.parametrize("fields", ["Content-Length: 5", "Transfer-Encoding: chunked"])
def test_an_encrypted_connection_cut_at_any_byte_is_noticed(
    exchange: Exchange, pki: Pki, fields: str
) -> None:
    body = "hello" if "Length" in fields else "5\r\nhello\r\n0\r\n\r\n"
    data = f"HTTP/1.1 200 OK\r\n{fields}\r\n\r\n{body}".encode()
    with scripted(*(Answer(data=data[:end], then="close") for end in range(len(data))), pki=pki) as server:
        for _ in range(len(data)):
            with pytest.raises(StorageUnreachable), exchange.ask("GET", server.url()) as response:
                response.read()


def test_a_certificate_that_cannot_be_used_is_named(pki: Pki, tmp_path: Path) -> None:
    nonsense = tmp_path / "proxy"
    nonsense.write_text("no proxy")
    nonsense.chmod(0o600)
    other = make_pki(tmp_path / "other")
    with scripted(pki=pki) as server:
        for variables in (
            {"X509_USER_PROXY": str(nonsense)},
            {"X509_USER_CERT": str(pki.user), "X509_USER_KEY": str(other.user_key)},
        ):
            with (
                believing({"SSL_CERT_FILE": str(pki.ca), **variables}) as exchange,
                pytest.raises(NotAllowed, match="cannot be used"),
            ):
                exchange.ask("GET", server.url())
        assert server.asked == []


def test_a_key_with_a_passphrase_asks_nobody(pki: Pki, tmp_path: Path) -> None:
    import subprocess

    key = tmp_path / "key"
    command = ["openssl", "rsa", "-aes256", "-passout", "pass:x", "-in", str(pki.user_key), "-out", str(key)]
    subprocess.run(command, check=True, capture_output=True)
    key.chmod(0o600)
    environ = {"SSL_CERT_FILE": str(pki.ca), "X509_USER_CERT": str(pki.user), "X509_USER_KEY": str(key)}
    with (
        scripted(pki=pki) as server,
        believing(environ) as exchange,
        pytest.raises(NotAllowed, match="passphrase"),
    ):
        exchange.ask("GET", server.url())


@pytest.mark.parametrize("kind", ["apache_tls", "xrootd_tls"])
def test_large_files_pass_both_ways(
    exchange: Exchange, kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    server: Apache | Xrootd = request.getfixturevalue(kind)
    file = tmp_path / "file"
    file.write_bytes(bytes(range(256)) * (HUGE // 256) + b"end")
    seen = bytearray()
    with FileBody(file, observer=seen.extend) as body:
        exchange.ask("PUT", server.url("file"), body=body, ok=(200, 201)).drain()
    assert seen == file.read_bytes()
    with exchange.ask("GET", server.url("file")) as response:
        assert response.read() == file.read_bytes()


def test_connections_are_kept_through_tls(exchange: Exchange, pki: Pki) -> None:
    """What servers send by themselves after the handshake is no reason to give one up."""
    with scripted(answer(200, b"x" * 100), pki=pki) as server:
        for _ in range(5):
            exchange.ask("GET", server.url()).drain()
        assert server.connections == 1


def test_a_body_waits_for_consent_through_tls(exchange: Exchange, pki: Pki, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"x" * HUGE)
    refusal = answer(507, b"full", then="close", reads_body=False)
    with scripted(refusal, answer(201), pki=pki) as server:
        with FileBody(file) as body:
            with pytest.raises(TransferError, match="full"):
                exchange.ask("PUT", server.url(), body=body, ok=(201,))
            exchange.ask("PUT", server.url(), body=body, ok=(201,))
        assert [len(one.body) for one in server.asked] == [0, HUGE]


def test_old_versions_of_tls_are_not_spoken(pki: Pki) -> None:
    from dodas.auth.anchors import Trust
    from dodas.staging.trust import Contexts

    context = Contexts().get(Trust(bundles=(str(pki.ca),)), None)
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert context.check_hostname
    assert context.verify_mode == ssl.CERT_REQUIRED


def test_a_proxy_passes_tls_on(pki: Pki) -> None:
    """A tunnel to a name that only the proxy knows."""
    import socket
    import threading

    with scripted(answer(200, b"x"), pki=pki) as server, socket.create_server(("127.0.0.1", 0)) as listener:
        asked: list[bytes] = []

        def tunnel() -> None:
            connection, _ = listener.accept()
            with connection, socket.create_connection(("127.0.0.1", server.port)) as target:
                asked.append(connection.recv(10_000))
                connection.sendall(b"HTTP/1.1 200 Connected\r\nX: y\r\n\r\n")
                back = threading.Thread(target=pump, args=(target, connection))
                back.start()
                pump(connection, target)
                back.join()

        def pump(source: socket.socket, sink: socket.socket) -> None:
            with suppress(OSError):
                while data := source.recv(65_536):
                    sink.sendall(data)
                sink.shutdown(socket.SHUT_WR)

        thread = threading.Thread(target=tunnel)
        thread.start()
        proxy = f"http://u:p@localhost:{listener.getsockname()[1]}"
        credentials = Credentials({"SSL_CERT_FILE": str(pki.ca)})
        with (
            Exchange(Settings(attempts=1), credentials, environ={"HTTPS_PROXY": proxy}) as exchange,
            # The server's certificate is looked at through the tunnel too, and has another name.
            pytest.raises(Distrust),
        ):
            exchange.ask("GET", "davs://storage.invalid:4443/a")
        thread.join()
    assert asked[0].startswith(b"CONNECT storage.invalid:4443 HTTP/1.1\r\nHost: storage.invalid:4443\r\n")
    assert b"Proxy-Authorization: Basic dTpw\r\n" in asked[0]
