"""oidc-agent: asked by its program, which a small one stands in for, as seldom as possible."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from dodas.auth.agent import Agent
from dodas.auth.credentials import Credentials
from dodas.errors import NotAllowed, SpecError


def jwt(number: int, end: float) -> str:
    claims = base64.urlsafe_b64encode(json.dumps({"exp": end, "jti": number}).encode()).decode().rstrip("=")
    return f"e30.{claims}.c2ln"


class Program:
    """An ``oidc-token`` that gives the tokens it finds in a folder, and notes how it was called."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        script = folder / "oidc-token"
        script.write_text(
            f'#!/bin/sh\necho "$*" "$OIDC_SOCK" >> {folder}/calls\n'
            f"if [ -e {folder}/problem ]; then cat {folder}/problem >&2; exit 1; fi\ncat {folder}/token\n"
        )
        script.chmod(0o755)
        self.environ = {"PATH": f"{folder}:/usr/bin:/bin", "OIDC_AGENT_ACCOUNT": "iam", "OIDC_SOCK": "/sock"}

    def gives(self, token: str) -> None:
        (self.folder / "token").write_text(token + "\n")

    @property
    def calls(self) -> list[str]:
        return (self.folder / "calls").read_text().splitlines()


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    made = Program(tmp_path / "bin")
    monkeypatch.setenv("PATH", made.environ["PATH"])
    return made


def test_a_token_is_kept_until_shortly_before_it_ends(program: Program) -> None:
    now = [1000.0]
    agent = Agent("iam", program.environ, now=lambda: now[0])
    program.gives(jwt(1, 1300))
    first = agent.token()
    now[0] = 1239
    assert agent.token() is first
    program.gives(jwt(2, 5000))
    now[0] = 1240
    second = agent.token()
    assert (first and first.expires, second and second.expires) == (1300, 5000)
    assert program.calls == ["--time 90 iam /sock"] * 2


def test_a_token_without_an_end_is_kept_for_a_while(program: Program) -> None:
    now = [0.0]
    agent = Agent("iam", program.environ, now=lambda: now[0])
    program.gives("opaque")
    agent.token()
    now[0] = 299
    agent.token()
    assert len(program.calls) == 1
    now[0] = 300
    agent.token()
    assert len(program.calls) == 2


def test_the_agent_is_asked_where_no_token_lies(program: Program, tmp_path: Path) -> None:
    program.gives(jwt(1, 9e9))
    credentials = Credentials.from_environment({**program.environ, "BEARER_TOKEN": "own"})
    own = credentials.token()
    assert own is not None
    assert own.value == "own"
    credentials = Credentials.from_environment(program.environ)
    first = credentials.token()
    assert first is not None
    assert "iam" in first.source
    assert credentials.renewed(first) is None
    program.gives(jwt(2, 9e9))
    renewed = credentials.renewed(first)
    assert renewed is not None
    assert renewed.value == jwt(2, 9e9)
    assert credentials.token() == renewed


def test_why_the_agent_gives_none(program: Program) -> None:
    (program.folder / "problem").write_text("Error: No account configuration loaded\nmore\n")
    with pytest.raises(NotAllowed, match="No account configuration loaded") as caught:
        Agent("iam", program.environ).token()
    assert "oidc-add iam" in caught.value.hint
    (program.folder / "problem").write_text("")
    with pytest.raises(NotAllowed, match="ended with 1"):
        Agent("iam", program.environ).token()


def test_the_program_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NotAllowed, match="oidc-token is not here"):
        Agent("iam", {"PATH": str(tmp_path)}).token()


def test_an_account_is_no_option() -> None:
    with pytest.raises(SpecError, match="OIDC_AGENT_ACCOUNT"):
        Credentials.from_environment({"OIDC_AGENT_ACCOUNT": "--help"})
