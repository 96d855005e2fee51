"""Pools of a test's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from condor_pool import Pools, with_image


@pytest.fixture(scope="session")
def stored_image() -> None:
    """The image with HTCondor in the session's store."""
    with_image()


@pytest.fixture
def pools(tmp_path: Path, stored_image: None) -> Iterator[Pools]:
    """No pools yet; what a test makes is taken down."""
    pytest.importorskip("htcondor2", reason="the extra dodas[htcondor] is not installed")
    made = Pools(state=tmp_path / "état $(HOME) 'of' my pools")
    yield made
    folder = made.state / "pools"
    for name in sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.exists() else ():
        made("down", name, "--force")
    assert not folder.exists()
