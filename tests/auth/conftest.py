"""A provider behind a proxy, and somebody who logs in there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from servers.iam_cli import Desk
from servers.iam_front import Front
from servers.pki import Pki


@pytest.fixture(scope="session")
def _front(tmp_path_factory: pytest.TempPathFactory, pki: Pki) -> Iterator[Front]:
    front = Front(tmp_path_factory.mktemp("front"), pki=pki)
    with front:
        yield front


@pytest.fixture
def front(_front: Front) -> Front:
    """Return a provider of tokens whose answers a test can spoil; its tokens live for an hour."""
    _front.empty()
    for client in ("laptop", "server"):
        _front.issuer.live(client, access=3600, refresh=86400, device=600)
    return _front


@pytest.fixture
def desk(front: Front, pki: Pki, tmp_path: Path) -> Desk:
    """Return a home without any login, and a user."""
    return Desk(tmp_path / "home of anna", pki=pki, front=front)
