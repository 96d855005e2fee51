"""Tokens that end while a real Infrastructure Manager makes workers."""

from __future__ import annotations

from pathlib import Path

import pytest

from dodas.pool.providers import im
from dodas.pool.providers.base import NotAuthorised
from pool_clouds import cloud_pool, setup_of, states_of, workers_of
from servers.im_issuer import Issuer
from servers.im_server import ImServer

# The first of them installs the Infrastructure Manager.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

LINES = "id = im; type = InfrastructureManager; token = {token}\nid = cloud; type = Fickle\n"


def test_a_token_that_ends_between_two_calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        Issuer() as issuer,
        ImServer(tmp_path / "im", settings={"OIDC_ISSUERS": [issuer.url]}) as server,
    ):
        server.authorization.write_text(LINES)
        token = tmp_path / "token"
        token.touch(mode=0o600)
        token.write_text(issuer.token())
        monkeypatch.delenv("BEARER_TOKEN", raising=False)
        monkeypatch.setenv("BEARER_TOKEN_FILE", str(token))
        pool = cloud_pool(
            "tokens",
            "im",
            [
                ("url", server.url),
                ("authorization_file", str(server.authorization)),
                ("inputs", (("worker_url", "https://files.example.org/worker"),)),
            ],
        )
        cloud = im.make(setup_of(pool, tmp_path / "state"))
        one, two = workers_of(pool, tmp_path / "workers", 2)
        cloud.launch([one])
        ended = issuer.token(seconds=-60)
        token.write_text(ended)
        with pytest.raises(NotAuthorised) as caught:
            cloud.launch([two])
        assert "dodas auth login" in caught.value.hint
        assert ended not in str(caught.value)
        token.write_text(issuer.token())
        cloud.launch([two])
        assert set(states_of(cloud)) == {one.name, two.name}
        cloud.terminate([one.name, two.name])
        assert cloud.list() == []
