"""What an Infrastructure Manager, or what takes its place, may answer; without one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dodas.pool.providers import im, im_states, orchestrator
from dodas.pool.providers.base import NotAuthorised, Provider, ProviderUnavailable, Refused, State
from dodas.pool.providers.im_memory import Known
from pool_clouds import cloud_pool, setup_of, workers_of
from servers.scripted import Answer, Asked, Scripted, answer, scripted


def provider_of(
    server: Scripted, place: Path, lines: str = "type = InfrastructureManager; token = x"
) -> Provider:
    authorization = place / "authorization"
    authorization.touch(mode=0o600)
    authorization.write_text("type = InfrastructureManager; token = x")
    settings = [
        ("url", f"http://127.0.0.1:{server.port}"),
        ("authorization_file", str(authorization)),
        ("inputs", (("worker_url", "https://files.example.org/worker"),)),
    ]
    return im.make(setup_of(cloud_pool("poet", "im", settings), place / "state"))  # type: ignore[arg-type]


def of_version(text: str, asked: Asked) -> Answer:
    if asked.target == "/version":
        return answer(200, text.encode())
    return answer(200, b'{"uri-list": []}')


@pytest.mark.parametrize("text", ["1.19.0", '{"version": "1.9.5"}', "", "<html>2</html>"])
def test_a_manager_that_is_too_old_makes_nothing(tmp_path: Path, text: str) -> None:
    with scripted(lambda asked: of_version(text, asked)) as server:
        pool = cloud_pool("poet", "im", [])
        with pytest.raises(Refused, match="too old"):
            provider_of(server, tmp_path).launch(workers_of(pool, tmp_path / "workers", 1))
        assert "POST" not in server.methods


@pytest.mark.parametrize("body", ["[]", "{}", "null", '{"uri-list": null}', '{"uri-list": [{}]}', "<html>"])
def test_an_answer_of_another_form(tmp_path: Path, body: str) -> None:
    with scripted(answer(200, body.encode())) as server, pytest.raises(ProviderUnavailable):
        provider_of(server, tmp_path).list()


def test_an_answer_that_the_token_has_ended(tmp_path: Path) -> None:
    said = {"message": "Error Getting Inf. List: OIDC auth Token expired.", "code": 401}
    with scripted(answer(401, json.dumps(said).encode())) as server, pytest.raises(NotAuthorised) as caught:
        provider_of(server, tmp_path).list()
    assert "Token expired" in str(caught.value)
    assert len(server.asked) == 2


def test_a_file_that_others_can_read_is_not_sent(tmp_path: Path) -> None:
    with scripted(answer(200)) as server:
        cloud = provider_of(server, tmp_path)
        (tmp_path / "authorization").chmod(0o644)
        with pytest.raises(NotAuthorised, match="can be read by other users"):
            cloud.list()
        assert server.asked == []


def test_without_a_file_it_says_what_to_write(tmp_path: Path) -> None:
    pool = cloud_pool("poet", "im", [("url", "https://im.example.org")])
    with pytest.raises(Refused) as caught:
        im.make(setup_of(pool, tmp_path))
    assert "authorization_file" in caught.value.hint


@pytest.mark.parametrize("body", ["[]", "{}", "null", '{"content": null}', '{"content": [{}]}', "<html>"])
def test_an_answer_of_another_form_than_that_of_an_orchestrator(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str
) -> None:
    monkeypatch.setenv("BEARER_TOKEN", "a-token")
    with scripted(answer(200, body.encode())) as server, pytest.raises(ProviderUnavailable):
        pool = cloud_pool("poet", "orchestrator", [("url", f"http://127.0.0.1:{server.port}")])
        orchestrator.make(setup_of(pool, tmp_path)).list()


@pytest.mark.parametrize(
    ("state", "ready", "expected"),
    [
        ("pending", False, State.PENDING),
        ("running", False, State.RUNNING),
        ("configured", False, State.RUNNING),
        ("unconfigured", False, State.FAILED),
        ("unconfigured", True, State.RUNNING),  # another machine could not be configured
        ("off", False, State.FAILED),
        ("off", True, State.ENDED),
        ("failed", True, State.FAILED),
        ("deleting", True, State.ENDED),
        ("of another version", True, State.RUNNING),
    ],
)
def test_how_a_worker_is(state: str, ready: bool, expected: State) -> None:
    assert im_states.state_of(state, Known(worker="w", node="n", ready=ready)) is expected
