"""What the tests of ``dodas cwl`` share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from condor_pool import Pools
from cwlcases import Cwl, write_image
from dodas.containers import archives
from dodas.containers.store import Store

Pool = Callable[[str], tuple[Pools, str]]


@pytest.fixture
def cwl(tmp_path: Path, image_store: Path) -> Cwl:
    return Cwl(tmp_path, image_store)


@pytest.fixture(scope="session")
def image_archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an archive as ``docker save`` writes it."""
    path = tmp_path_factory.mktemp("image") / "busybox.tar"
    write_image(path)
    return path


@pytest.fixture(scope="session")
def image_store(tmp_path_factory: pytest.TempPathFactory, image_archive: Path) -> Path:
    """Return a store that holds the image."""
    store = tmp_path_factory.mktemp("store")
    archives.load(Store(str(store)), str(image_archive))
    return store


@pytest.fixture
def far(cwl: Cwl, condor_pool: Pool) -> Cwl:
    """Run steps on nodes that see nothing of this machine's disk."""
    return cwl.on(*condor_pool("far"))


@pytest.fixture
def near(cwl: Cwl, condor_pool: Pool) -> Cwl:
    """Run steps on nodes that see it."""
    return cwl.on(*condor_pool("shared"))
