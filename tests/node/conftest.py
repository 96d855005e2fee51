"""Sandboxes of a node, an image, and marks to find processes by."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import smallimage
from backend_kinds import Anywhere
from condor_pool import Pools
from node_sandboxes import Sandbox


@pytest.fixture(scope="session")
def node_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What all jobs of one node share."""
    return tmp_path_factory.mktemp("node") / "cache"


@pytest.fixture(scope="session")
def small_store(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The submit side's store, with the small image."""
    folder = tmp_path_factory.mktemp("small")
    smallimage.fill(str(folder / "store"), folder)
    return str(folder / "store")


@pytest.fixture
def sandbox(tmp_path: Path, node_cache: Path) -> Sandbox:
    """The directory of a job."""
    (tmp_path / "sandbox").mkdir()
    return Sandbox(tmp_path / "sandbox", node_cache)


@pytest.fixture
def sandboxes(tmp_path: Path, node_cache: Path) -> Callable[[int], list[Sandbox]]:
    """Directories of jobs on one node."""

    def make(count: int, cache: Path = node_cache) -> list[Sandbox]:
        places = [tmp_path / f"slot{number}" for number in range(count)]
        for place in places:
            place.mkdir()
        return [Sandbox(place, cache) for place in places]

    return make


@pytest.fixture
def mark() -> Iterator[str]:
    """A number for command lines; no process with it may be left."""
    made = smallimage.token()
    yield made
    smallimage.assert_gone(made)


@pytest.fixture
def far(
    condor_pool: Callable[[str], tuple[Pools, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Anywhere]:
    """Run steps on nodes that see nothing of this machine's disk."""
    pools, name = condor_pool("far")
    monkeypatch.setenv("DODAS_STATE", str(pools.state))
    monkeypatch.setenv("CONDOR_CONFIG", os.devnull)
    place = Anywhere(tmp_path, name)
    yield place
    place.close()
