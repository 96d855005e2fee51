"""A store with a small image, for commands that run in one."""

from __future__ import annotations

import os

import pytest

import smallimage


@pytest.fixture(scope="session")
def small_environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a user whose store has the small image."""
    folder = tmp_path_factory.mktemp("small")
    smallimage.fill(str(folder / "store"), folder)
    (folder / "scratch").mkdir()
    return {**os.environ, "DODAS_STORE": str(folder / "store"), "DODAS_SCRATCH": str(folder / "scratch")}
