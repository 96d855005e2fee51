"""Backends on pools of this host, with the disk shared and not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from htcondor_runs import Place
from local_runs import Followed

pytest.importorskip("htcondor2", reason="the extra dodas[htcondor] is not installed")


@pytest.fixture(params=["shared disk", "no shared disk"])
def place(request: pytest.FixtureRequest, pools: Callable[[bool], str], tmp_path: Path) -> Iterator[Place]:
    """A pool of each sort."""
    shared = request.param == "shared disk"
    place = Place(pools(shared), shared, tmp_path)
    yield place
    for backend in place.made:
        backend.close()


@pytest.fixture
def shared_place(pools: Callable[[bool], str], tmp_path: Path) -> Iterator[Place]:
    """A pool with a shared disk, for what does not depend on that."""
    place = Place(pools(True), True, tmp_path)
    yield place
    for backend in place.made:
        backend.close()


@pytest.fixture
def followed() -> Followed:
    """A listener."""
    return Followed(patience=150)
