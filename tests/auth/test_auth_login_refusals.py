"""What goes wrong with a login is said in one sentence, with what to do; and nothing secret is."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate
from ssl import create_default_context
from typing import Any
from urllib.parse import urlencode

import pytest

from servers.faults import Fault
from servers.iam_cli import Desk
from servers.pki import Pki
from servers.ports import free_port, until
from servers.scripted import Scripted, answer, scripted

OF_CLIENT = ("--flow", "client-credentials", "--client-id", "robot", "--client-secret-file", "-")


@contextmanager
def pretender(pki: Pki, *replies: Any, **changed: Any) -> Iterator[Scripted]:
    """Run a stand-in for a provider, which says of itself what is right but for ``changed``."""
    with scripted(answer(), *replies, pki=pki) as server:
        url = server.url("").rstrip("/")
        told = {
            "issuer": url,
            "token_endpoint": f"{url}/token",
            "device_authorization_endpoint": f"{url}/devicecode",
            **{name: value for name, value in changed.items() if name != "date"},
        }
        fields = (f"Date: {changed['date']}",) if "date" in changed else ()
        server.replies[0] = answer(200, json.dumps(told).encode(), *fields)
        yield server


def issuer_of(server: Scripted) -> str:
    return server.url("").rstrip("/")


def test_nothing_is_there(desk: Desk) -> None:
    words = desk.fails("token")
    assert "there is no login default" in words
    assert "hint: log in: dodas auth login ISSUER" in words
    assert "dodas auth login ISSUER --name x" in desk.fails("token", "--name", "x")
    assert "DODAS_LOGIN is none" in desk.fails("token", DODAS_LOGIN="none")
    assert "cannot be the name" in desk.fails("token", DODAS_LOGIN="../x")
    assert "there is no login" in desk.fails("status")


@pytest.mark.parametrize(
    "url",
    [
        "http://iam.example.org",
        "http://127.0.0.1.example.org",
        "ftp://iam.example.org",
        "https://",
        "x y",
        "",
    ],
)
def test_an_issuer_that_cannot_be_trusted_with_a_login(desk: Desk, url: str) -> None:
    assert "error: the issuer" in desk.fails("login", url)


def test_an_issuer_that_is_somebody_else(desk: Desk, pki: Pki) -> None:
    with pretender(pki, issuer="https://iam.example.org/") as server:
        assert "says that it is https://iam.example.org/" in desk.fails("login", issuer_of(server))


@pytest.mark.parametrize(
    "url", ["http://iam.example.org/token", "https://iam.example.org/t\u00f6ken", "/t", 7]
)
def test_a_token_endpoint_that_is_not_encrypted(desk: Desk, pki: Pki, url: object) -> None:
    with pretender(pki, token_endpoint=url) as server:
        assert "token_endpoint that is not encrypted" in desk.fails("login", issuer_of(server))


@pytest.mark.parametrize(
    ("status", "body", "problem"),
    [
        (404, b"", "there is no OpenID provider at"),
        (200, b"<html>Welcome to the airport</html>", "no JSON"),
        (302, b"", "sends on to another address"),
        (200, b"[]", "no JSON"),
        (200, b"{}", "says that it is nobody"),
    ],
)
def test_what_is_no_provider(desk: Desk, pki: Pki, status: int, body: bytes, problem: str) -> None:
    with scripted(answer(status, body), pki=pki) as server:
        assert problem in desk.fails("login", issuer_of(server))


def test_nobody_listens(desk: Desk) -> None:
    assert "refuses connections" in desk.fails("login", f"https://localhost:{free_port()}")


def test_a_provider_that_is_not_trusted(desk: Desk) -> None:
    words = desk.fails("login", desk.front.issuer.url, SSL_CERT_FILE="/etc/ssl/certs/ca-certificates.crt")
    assert "cannot be trusted" in words
    assert "SSL_CERT_FILE" in words


def test_a_client_that_the_provider_does_not_know(desk: Desk) -> None:
    words = desk.fails("login", desk.front.issuer.url, "--client-id", "nobody")
    assert "invalid_client" in words
    assert "check --client-id" in words


def test_a_client_without_the_device_flow(desk: Desk) -> None:
    assert "to begin a login" in desk.fails("login", desk.front.issuer.url, "--client-id", "hasty")


def test_a_provider_that_registers_nobody(desk: Desk, pki: Pki) -> None:
    with pretender(pki) as server:
        assert "registers no clients" in desk.fails("login", issuer_of(server))


def test_the_user_says_no(desk: Desk) -> None:
    process = desk.start("login", desk.front.issuer.url, "--client-id", "laptop", "--json")
    assert process.stdout is not None
    desk.user.refuse(json.loads(process.stdout.readline())["verification_uri_complete"])
    _, err = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "refused in the browser" in err


def test_the_user_does_nothing(desk: Desk) -> None:
    desk.front.issuer.live("laptop", device=1)
    done = desk.run("login", desk.front.issuer.url, "--client-id", "laptop")
    assert done.returncode == 1
    assert "nobody consented in time" in done.stderr


def test_a_login_whose_time_is_over(desk: Desk) -> None:
    desk.front.issuer.live("laptop", refresh=1)
    desk.log_in()
    began = time.time()
    until(lambda: time.time() > began + 2, what="the end of the refresh token")
    words = desk.fails("token", "--fresh")
    assert "the login default is over" in words
    assert f"hint: log in again: dodas auth login {desk.front.issuer.url}\n" in words


def test_a_login_that_was_revoked(desk: Desk, pki: Pki) -> None:
    desk.log_in("--name", "mine")
    form = {"client_id": "laptop", "token": desk.kept("mine")["refresh"]}
    trust = create_default_context(cafile=str(pki.ca))
    url = f"{desk.front.issuer.url}/token/revocation"
    with urllib.request.urlopen(url, urlencode(form).encode(), timeout=30, context=trust):
        pass
    words = desk.fails("token", "--fresh", "--name", "mine")
    assert "the login mine is over" in words
    assert f"dodas auth login {desk.front.issuer.url} --name mine" in words


def test_a_login_that_is_over_as_indigo_iam_says_it(desk: Desk, pki: Pki) -> None:
    """By status 401 and ``invalid_token``; a stand-in says so here."""
    desk.log_in()
    told = json.dumps({"error": "invalid_token", "error_description": "Expired refresh token"}).encode()
    desk.front.fault(Fault(method="POST", path="/token", status=401, body=told))
    words = desk.fails("token", "--fresh")
    assert "is over" in words
    assert "Expired refresh token" in words


def test_a_login_that_cannot_be_renewed(desk: Desk) -> None:
    desk.log_in()
    kept = desk.kept()
    kept["refresh"] = ""
    (desk.logins / "default.json").write_text(json.dumps(kept))
    assert desk.token()
    assert "not possible" in desk.run("status").stdout
    assert "offline_access" in desk.fails("token", "--fresh")
    kept["tokens"] = []
    (desk.logins / "default.json").write_text(json.dumps(kept))
    assert desk.run("status").returncode == 1


@pytest.mark.parametrize("hours", [-2, 2])
def test_a_clock_that_is_wrong(desk: Desk, pki: Pki, hours: int) -> None:
    """It is said, and the token is good for as long as the provider says."""
    given = answer(
        200, json.dumps({"access_token": "abc", "token_type": "Bearer", "expires_in": 60}).encode()
    )
    date = formatdate(time.time() + hours * 3600, usegmt=True)
    with pretender(pki, given, date=date) as server:
        done = desk.run("login", issuer_of(server), *OF_CLIENT, typed="s3cret\n")
    assert done.returncode == 0
    side = "behind" if hours > 0 else "ahead of"
    assert "warning: the clock of this machine is 7" in done.stderr
    assert f"s {side} that of" in done.stderr
    assert desk.token() == "abc"


def test_a_clock_that_was_set_back(desk: Desk) -> None:
    desk.log_in()
    old = desk.token()
    desk.let_pass(left=9000)  # it has more time left than it ever had
    assert desk.token() != old


def test_answers_that_repeat_what_was_sent(desk: Desk, pki: Pki) -> None:
    told = json.dumps({"error": "invalid_client", "error_description": "s3cret-of-ours is wrong"}).encode()
    with pretender(pki, answer(401, told)) as server:
        words = desk.fails("login", issuer_of(server), *OF_CLIENT, typed="s3cret-of-ours\n")
    assert "invalid_client" in words
    assert "s3cret" not in words


def test_answers_with_control_characters(desk: Desk, pki: Pki) -> None:
    told = json.dumps({"error": "x\x1b[2J", "error_description": "a\nb\rc\u202e" + "d" * 9999}).encode()
    with pretender(pki, answer(400, told)) as server:
        words = desk.fails("login", issuer_of(server), *OF_CLIENT, typed="s3cret\n")
    assert "\x1b" not in words
    assert len(words) < 600


def test_a_file_with_a_secret_that_others_can_read(desk: Desk) -> None:
    file = desk.home / "secret"
    file.write_text("s3cret-of-ours")
    file.chmod(0o644)
    words = desk.fails("login", desk.front.issuer.url, *OF_CLIENT[:-1], str(file))
    assert "chmod 600" in words
    assert "s3cret-of-ours" not in words


def test_secrets_without_what_they_are_for(desk: Desk) -> None:
    words = ("login", desk.front.issuer.url)
    assert "--client-id" in desk.fails(*words, "--client-secret-file", "-")
    assert "--flow refresh" in desk.fails(*words, "--refresh-token-file", "-")
    assert "give --client-id" in desk.fails(
        *words, "--flow", "refresh", "--refresh-token-file", "-", typed="x\n"
    )
    assert "on a line of its own" in desk.fails(*words, *OF_CLIENT, typed="\n")


def test_a_damaged_login(desk: Desk) -> None:
    desk.log_in()
    (desk.logins / "default.json").write_text("{")
    words = desk.fails("token")
    assert "is damaged" in words
    desk.log_in()
    assert desk.token()
    (desk.logins / "default.json").write_text("{")
    assert desk.run("logout").returncode == 1
    assert "there is no login" in desk.fails("token")
