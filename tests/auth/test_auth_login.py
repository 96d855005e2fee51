"""Logging in, getting tokens, logging out: through the command, with a real provider."""

from __future__ import annotations

import json
import os
import stat
import subprocess
from pathlib import Path

import pytest

from dodas.auth.login.granted import claims_of
from needs import need
from servers.iam_cli import Desk
from servers.iam_user import User
from servers.issuer import ANY, SECRET
from servers.pki import Pki

SCOPES = "storage.read:/ storage.create:/ compute.read"
OTHER = "https://dav.example.org"


def secret_file(desk: Desk, text: str = SECRET, mode: int = 0o600) -> str:
    file = desk.home / "the secret"
    file.write_text(text + "\n")
    file.chmod(mode)
    return str(file)


def test_from_nothing_to_a_token_with_a_browser(desk: Desk) -> None:
    told = desk.log_in("--scope", SCOPES)
    assert (told["subject"], told["groups"]) == ("anna", ["/dodas", "/dodas/test"])
    assert (told["renewable"], told["usable"], told["chosen"]) == (True, True, True)
    assert set(SCOPES.split()) <= set(told["scopes"])
    claims = claims_of(desk.token())
    assert (claims["iss"], claims["sub"], claims["aud"]) == (desk.front.issuer.url, "anna", ANY)
    assert json.loads(desk.run("status", "--json").stdout)["token_seconds_left"] > 3500
    shown = desk.run("status").stdout
    assert all(word in shown for word in ("default (in use)", "anna", "/dodas/test", "storage.read:/"))


def test_the_user_is_told_what_to_do(desk: Desk) -> None:
    process = desk.start("login", desk.front.issuer.url, "--client-id", "laptop")
    assert process.stderr is not None
    lines = [process.stderr.readline() for _ in range(3)]
    assert "type " in lines[0]
    desk.user.consent(lines[1].split()[2].rstrip(","))
    out, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (0, "")
    assert "anna" in out


def test_files_are_for_their_owner(desk: Desk) -> None:
    desk.log_in()
    assert stat.S_IMODE(desk.logins.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in desk.logins.iterdir()} == {0o600}
    desk.logins.chmod(0o755)
    (desk.logins / "default.json").chmod(0o644)
    assert "can be read by other users" in desk.fails("token")


def test_a_token_is_asked_for_once(desk: Desk) -> None:
    desk.log_in()
    asked = len(desk.front.issuer.grants())
    first = desk.token()
    assert desk.token() == first
    assert len(desk.front.issuer.grants()) == asked
    assert desk.token("--fresh") != first


def test_a_token_of_fewer_scopes(desk: Desk) -> None:
    desk.log_in("--scope", SCOPES)
    whole = desk.token()
    narrow = desk.token("--scope", "storage.read:/")
    assert claims_of(narrow)["scope"] == "storage.read:/"
    assert desk.token("--scope", "storage.read:/") == narrow
    two = ("--scope", "storage.read:/ compute.read"), ("--scope", "compute.read", "--scope", "storage.read:/")
    assert len({desk.token(*words) for words in two}) == 1
    assert desk.token() == whole
    assert set(claims_of(desk.token("--fresh"))["scope"].split()) >= set(SCOPES.split())
    assert "invalid_scope" in desk.fails("token", "--scope", "compute.modify")
    assert desk.token("--fresh")


def test_a_token_for_somebody_else_by_exchange(desk: Desk) -> None:
    desk.log_in("--scope", SCOPES, "--client-secret-file", secret_file(desk), client="server")
    token = desk.token("--audience", OTHER, "--scope", "storage.read:/")
    claims = claims_of(token)
    assert (claims["aud"], claims["scope"], claims["sub"]) == (OTHER, "storage.read:/", "anna")
    assert desk.token("--audience", OTHER, "--scope", "storage.read:/") == token
    assert claims_of(desk.token())["aud"] == ANY
    assert "invalid_scope" in desk.fails("token", "--audience", OTHER, "--scope", "compute.modify")


def test_a_provider_that_gives_no_token_for_somebody_else(desk: Desk) -> None:
    desk.log_in()
    # It takes no notice, gives the token that it always gives, and a new refresh token, which must be kept.
    for _ in range(2):
        assert f"no token for {OTHER}" in desk.fails("token", "--audience", OTHER)
    assert claims_of(desk.token("--fresh"))["aud"] == ANY


def test_a_login_for_an_audience(desk: Desk) -> None:
    told = desk.log_in("--audience", OTHER)
    assert told["audience"] == OTHER
    assert claims_of(desk.token())["aud"] == OTHER
    assert claims_of(desk.token("--fresh"))["aud"] == OTHER


def test_a_provider_that_takes_no_notice_of_an_audience(desk: Desk) -> None:
    desk.log_in("--audience", "no-url")
    assert "takes no notice of --audience" in "".join(desk.said)
    assert claims_of(desk.token("--fresh"))["aud"] == ANY


def test_a_client_with_a_secret(desk: Desk) -> None:
    words = ("--flow", "client-credentials", "--client-id", "server", "--scope", "compute.read")
    done = desk.run("login", desk.front.issuer.url, *words, "--client-secret-file", secret_file(desk))
    assert done.returncode == 0, done.stderr
    first = desk.token()
    assert claims_of(first)["scope"] == "compute.read"
    assert desk.token("--fresh") != first
    narrow = desk.token("--audience", OTHER, "--scope", "storage.read:/")
    assert claims_of(narrow)["aud"] == OTHER
    told = json.loads(desk.run("status", "--json").stdout)
    assert (told["renewable"], told["flow"]) == (True, "client-credentials")
    assert not desk.kept()["refresh"]


def test_a_secret_is_read_from_standard_input(desk: Desk) -> None:
    words = ("--flow", "client-credentials", "--client-id", "server", "--client-secret-file", "-")
    assert desk.run("login", desk.front.issuer.url, *words, typed=SECRET + "\n").returncode == 0
    assert "invalid_client" in desk.fails("login", desk.front.issuer.url, *words, typed="wrong\n")


def test_a_secret_is_asked_for_on_the_terminal(desk: Desk) -> None:
    """It is not seen there."""
    words = ("login", desk.front.issuer.url, "--flow", "client-credentials", "--client-id", "server")
    assert "no terminal" in desk.fails(*words)
    master, slave = os.openpty()
    with open(master, "r+b", buffering=0) as keyboard:
        process = subprocess.Popen(
            [need("setsid"), "--ctty", "--wait", desk.python, "-m", "dodas", "auth", *words],
            env=desk.environ, stdin=slave, stdout=slave, stderr=slave, cwd=desk.home,
        )  # fmt: skip
        os.close(slave)
        shown = b""
        while b"secret of the client server: " not in shown:
            shown += os.read(master, 1000)
        keyboard.write(SECRET.encode() + b"\n")
        try:
            while block := os.read(master, 1000):
                shown += block
        except OSError:  # the other side was closed
            pass
        assert process.wait(timeout=30) == 0, shown
    assert b"in use" in shown
    assert SECRET.encode() not in shown


def test_a_refresh_token_from_elsewhere(desk: Desk, tmp_path: Path) -> None:
    desk.log_in()
    given = desk.kept()["refresh"]
    other = Desk(tmp_path / "other", pki=desk.pki, front=desk.front)
    words = ("--flow", "refresh", "--client-id", "laptop", "--name", "brought", "--refresh-token-file")
    done = other.run("login", desk.front.issuer.url, *words, secret_file(other, given))
    assert done.returncode == 0, done.stderr
    assert "DODAS_LOGIN=brought" in done.stderr
    assert other.kept("brought")["refresh"] not in ("", given)
    assert claims_of(other.token("--name", "brought"))["sub"] == "anna"
    assert other.token(DODAS_LOGIN="brought") == other.token("--name", "brought")


def test_a_client_of_its_own_is_registered_once_and_removed(desk: Desk) -> None:
    told = desk.log_in(client="")
    assert told["client_id"] not in ("", "laptop")
    assert desk.log_in(client="")["client_id"] == told["client_id"]
    registered = [one for one in desk.front.requests() if one.path == "/reg"]
    assert len(registered) == 1
    other = desk.log_in("--scope", "storage.read:/", client="")  # for which that one was not registered
    assert other["client_id"] != told["client_id"]
    told, before = other, told
    assert desk.token("--fresh")
    assert desk.run("logout").returncode == 0
    deleted = [one.path for one in desk.front.requests() if one.method == "DELETE"]
    assert deleted == [f"/reg/{one['client_id']}" for one in (before, told)]


def test_logins_side_by_side(desk: Desk, pki: Pki) -> None:
    desk.log_in()
    desk.user = User("berta", issuer=desk.front.issuer, pki=pki)
    assert desk.log_in("--name", "other")["chosen"] is False
    assert claims_of(desk.token())["sub"] == "anna"
    assert claims_of(desk.token(DODAS_LOGIN="other"))["sub"] == "berta"
    lines = desk.run("status", "--json").stdout.splitlines()
    assert [(one["name"], one["chosen"]) for one in map(json.loads, lines)] == [
        ("default", True),
        ("other", False),
    ]
    assert desk.run("logout", "--name", "other").returncode == 0
    assert desk.token()
    assert "no login other" in desk.fails("status", "--name", "other")


def test_the_end_of_a_login(desk: Desk) -> None:
    desk.log_in()
    refresh = desk.kept()["refresh"]
    done = desk.run("logout")
    assert (done.returncode, done.stderr) == (0, "")
    assert not (desk.logins / "default.json").exists()
    assert not desk.run("status").stdout
    words = ("--flow", "refresh", "--client-id", "laptop", "--refresh-token-file", "-")
    assert "invalid_grant" in desk.fails("login", desk.front.issuer.url, *words, typed=refresh + "\n")
    assert "there is no login default" in desk.fails("logout")


def test_a_login_is_removed_though_the_provider_is_down(desk: Desk) -> None:
    desk.log_in()
    desk.front.stop()
    done = desk.run("logout")
    assert done.returncode == 1
    assert "not revoked" in done.stderr
    assert not (desk.logins / "default.json").exists()


@pytest.mark.parametrize(
    "words",
    [
        ("login",),
        ("login", "https://iam.example.org", "--agent", "x"),
        ("login", "https://iam.example.org", "--flow", "magic"),
        ("token", "more"),
        ("frobnicate",),
    ],
)
def test_a_wrong_command_line(desk: Desk, words: tuple[str, ...]) -> None:
    assert desk.run(*words).returncode == 2
