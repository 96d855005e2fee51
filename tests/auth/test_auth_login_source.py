"""The login as a source of tokens: for storage, for programs, from oidc-agent."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dodas import paths
from dodas.auth.credentials import Credentials
from dodas.auth.login import access_token, places
from dodas.auth.login.faults import IssuerUnreachable, LoginNeeded
from dodas.backends.htcondor.papers import Papers
from dodas.errors import NotAllowed, SpecError
from servers.iam_cli import Desk
from servers.issuer import ANY

AGENT = """#!/bin/sh
echo "$*" >> "$0.calls"
cat "$0.token"
"""


def found(environ: dict[str, str]) -> str | None:
    token = Credentials.from_environment(environ).token()
    return token.value if token else None


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, desk: Desk) -> Path:
    """Return an ``oidc-token`` that gives a token of ``desk.front``'s, and notes how it was called."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "oidc-token"
    program.write_text(AGENT)
    program.chmod(0o755)
    Path(f"{program}.token").write_text(desk.front.issuer.token())
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    desk.environ["PATH"] = os.environ["PATH"]
    return program


def test_the_login_comes_after_the_four_places_and_before_the_agent(
    desk: Desk, agent: Path, tmp_path: Path
) -> None:
    desk.log_in()
    runtime = tmp_path / "run"
    runtime.mkdir()
    file = runtime / f"bt_u{os.geteuid()}"
    file.write_text("of-the-session")
    file.chmod(0o600)
    environ = {**desk.environ, "OIDC_AGENT_ACCOUNT": "iam", "BEARER_TOKEN": "of-the-environment"}
    environ["XDG_RUNTIME_DIR"] = str(runtime)
    assert found(environ) == "of-the-environment"
    del environ["BEARER_TOKEN"]
    assert found(environ) == "of-the-session"
    file.unlink()
    assert found(environ) == desk.token()
    given = Path(f"{agent}.token").read_text()
    assert found({**environ, "DODAS_LOGIN": "none"}) == given
    desk.run("logout")
    assert found(environ) == given
    del environ["OIDC_AGENT_ACCOUNT"]
    assert found(environ) is None


def test_the_login_of_a_name(desk: Desk) -> None:
    desk.log_in("--name", "other")
    assert found(desk.environ) is None
    assert found({**desk.environ, "DODAS_LOGIN": "other"}) == desk.token("--name", "other")
    with pytest.raises(NotAllowed, match="no login third"):
        found({**desk.environ, "DODAS_LOGIN": "third"})
    with pytest.raises(SpecError, match="cannot be the name"):
        found({**desk.environ, "DODAS_LOGIN": "a/b"})


def test_a_token_that_a_storage_refused_is_replaced(desk: Desk) -> None:
    desk.log_in()
    credentials = Credentials.from_environment(desk.environ)
    old = credentials.token()
    assert old is not None
    assert "login default" in old.source
    assert old.value not in repr(old)
    new = credentials.renewed(old)
    assert new is not None
    assert new.value == desk.token() != old.value
    asked = len(desk.front.issuer.grants())
    assert credentials.renewed(new) is None  # a service that refuses everything does not spoil the provider
    assert len(desk.front.issuer.grants()) == asked


def test_a_login_that_is_over_is_said_to_be(desk: Desk) -> None:
    """Rather than that there is no token, which would be told by a storage in its own words."""
    desk.log_in()
    kept = desk.kept()
    kept["refresh"], kept["tokens"] = "not-one-of-yours", []
    (desk.logins / "default.json").write_text(json.dumps(kept))
    with pytest.raises(LoginNeeded, match="is over") as caught:
        found(desk.environ)
    assert "dodas auth login" in caught.value.hint
    assert "not-one-of-yours" not in str(caught.value)


def test_nobody_and_nodes_have_no_login(desk: Desk) -> None:
    desk.log_in()
    assert Credentials.none().token() is None
    assert Credentials(desk.environ).token() is None
    assert found({"PATH": os.environ["PATH"]}) is None


def test_without_the_package_of_logins(desk: Desk) -> None:
    """As on a node, where it is not."""
    desk.log_in()
    program = (
        "import sys; sys.modules['dodas.auth.login'] = None; "
        "from dodas.auth.credentials import Credentials; print(Credentials.from_environment().token())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env=desk.environ, capture_output=True, text=True, check=True
    )
    assert done.stdout == "None\n"


def test_jobs_on_a_pool_get_tokens_and_nothing_that_renews_them(desk: Desk, tmp_path: Path) -> None:
    desk.log_in()
    folder, job = tmp_path / "papers", tmp_path / "job"
    job.mkdir()
    papers = Papers(str(folder), lambda: Credentials.from_environment(desk.environ))
    papers.link(str(job))
    assert (job / "token").read_text() == desk.token()
    contents = b"".join(file.read_bytes() for file in folder.iterdir())
    assert desk.kept()["refresh"].encode() not in contents
    papers.remove()


def test_what_is_asked_when_there_is_no_login_is_light() -> None:
    program = (
        "import sys; from dodas.auth.credentials import Credentials; "
        "print(Credentials.from_environment({'HOME': '/nowhere'}).token(), "
        "*[name for name in sys.modules if name.startswith(('http.', 'dodas.auth.login.'))])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    none, *loaded = done.stdout.split()
    assert none == "None"
    assert set(loaded) == {f"dodas.auth.login.{name}" for name in ("door", "faults", "places")}


def test_the_door_for_programs(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("DODAS_", "XDG_"))]:
        monkeypatch.delenv(name)
    for name, value in desk.environ.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(NotAllowed) as caught:
        access_token()
    assert caught.value.hint == "log in: dodas auth login ISSUER"
    desk.log_in()
    token = access_token()
    assert token == desk.token() == access_token("default")
    other = access_token(refused=token)
    assert other != token
    with pytest.raises(NotAllowed, match="no token for"):
        access_token(audience="https://other.example.org")
    desk.front.stop()
    with pytest.raises(IssuerUnreachable) as down:
        access_token(refused=access_token())
    assert down.value.retryable


def test_where_logins_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where all else is that dodas keeps."""
    for environ in (
        {"HOME": "/home/anna"},
        {"HOME": "/home/anna", "XDG_STATE_HOME": "/state"},
        {"HOME": "/home/anna", "XDG_STATE_HOME": "relative"},
        {"HOME": "/home/anna", "DODAS_STATE": "/of/dodas"},
        {"HOME": "/home/anna", "DODAS_STATE": "~/mine"},
    ):
        with monkeypatch.context() as patch:
            for name in ("XDG_STATE_HOME", "DODAS_STATE"):
                patch.delenv(name, raising=False)
            for name, value in environ.items():
                patch.setenv(name, value)
            assert places.folder(environ) == f"{paths.state_dir()}/logins"
    assert not places.folder({})


def test_tokens_of_oidc_agent(desk: Desk, agent: Path) -> None:
    given = Path(f"{agent}.token").read_text()
    assert desk.token("--agent", "iam", "--audience", ANY, "--scope", "b a") == given
    done = desk.run("login", "--agent", "iam", "--name", "held")
    assert done.returncode == 0, done.stderr
    assert "iam of oidc-agent" in done.stdout
    assert desk.token("--name", "held", "--audience", "x") == given
    told = json.loads(desk.run("status", "--json", "--name", "held").stdout)
    assert (told["agent"], told["issuer"], told["renewable"]) == ("iam", desk.front.issuer.url, True)
    assert given not in (desk.logins / "held.json").read_text()
    calls = Path(f"{agent}.calls").read_text().splitlines()
    assert calls == [
        f"--time 90 --aud={ANY} --scope=a b iam",
        "--time 90 iam",
        "--time 90 --aud=x iam",
    ]
    assert desk.run("logout", "--name", "held").returncode == 0


def test_no_oidc_agent(desk: Desk) -> None:
    desk.environ["PATH"] = str(desk.home)
    assert "oidc-token is not here" in desk.fails("login", "--agent", "iam")
    assert "oidc-token is not here" in desk.fails("token", "--agent", "iam")
    assert "OIDC_AGENT_ACCOUNT" not in desk.fails("token", "--agent=-x")
