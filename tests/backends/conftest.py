"""A local backend, and what a test wants to know of a run."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

import smallimage
from backend_kinds import Anywhere
from condor_pool import Pools
from dodas.backends.local import LocalBackend
from dodas.step import Step
from local_runs import Followed, Make

PoolOf = Callable[[str], tuple[Pools, str]]


@pytest.fixture(scope="session")
def small_store(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A store with the small image."""
    folder = tmp_path_factory.mktemp("small")
    smallimage.fill(str(folder / "store"), folder)
    return str(folder / "store")


@pytest.fixture
def mark() -> Iterator[str]:
    """A number for command lines; no process with it may be left."""
    made = smallimage.token()
    yield made
    smallimage.assert_gone(made)


@pytest.fixture
def make(tmp_path: Path, mark: str) -> Iterator[Make]:
    """Make backends; at the end they are closed, and nothing is left of them, nor a process with the mark."""
    made: list[LocalBackend] = []

    def new(**options: Any) -> LocalBackend:
        values = {"logs": str(tmp_path / "logs"), "scratch": str(tmp_path / "scratch"), **options}
        made.append(LocalBackend(**values))
        return made[-1]

    (tmp_path / "scratch").mkdir()
    yield new
    for backend in made:
        backend.close()
    assert left(tmp_path) == []


def left(tmp_path: Path) -> list[str]:
    """Return what is left in the scratch space."""
    homes = list((tmp_path / "scratch").iterdir())
    return [name for home in homes for name in os.listdir(home)]


@pytest.fixture
def pools(condor_pool: PoolOf, monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], str]:
    """Return what brings up a pool, with or without a shared disk, that this process can then talk to."""

    def up(shared: bool) -> str:
        made, name = condor_pool("shared" if shared else "far")
        monkeypatch.setenv("DODAS_STATE", str(made.state))
        monkeypatch.setenv("CONDOR_CONFIG", os.devnull)  # to be put back: configuring for a pool changes it
        return name

    return up


KINDS = {"local": None, "pool": True, "pool without shared disk": False}


@pytest.fixture(params=list(KINDS))
def anywhere(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Anywhere]:
    """Every kind of backend, one after the other."""
    shared = KINDS[request.param]
    pool = None if shared is None else request.getfixturevalue("pools")(shared)
    place = Anywhere(tmp_path, pool)
    yield place
    place.close()


@pytest.fixture
def run() -> Callable[[LocalBackend, Sequence[Step]], Followed]:
    """Run steps to their end."""

    def to_the_end(backend: LocalBackend, steps: Sequence[Step]) -> Followed:
        backend.submit(steps)
        return Followed().finish(backend)

    return to_the_end


@pytest.fixture
def followed() -> Followed:
    """A listener."""
    return Followed()
