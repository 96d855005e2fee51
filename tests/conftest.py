"""What keeps every test away from the user's own images and settings."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import pytest

# Snakemake 9 needs Python 3.11; what tests it cannot even be imported without.
collect_ignore = ["snakemake"] if sys.version_info < (3, 11) else []


@pytest.fixture(scope="session", autouse=True)
def own_image_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Give the session an image store of its own, which dodas and udocker use unless a test says more."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("UDOCKER_") or name == "DODAS_STORE"]:
            patch.delenv(name)
        patch.setenv("UDOCKER_DIR", str(tmp_path_factory.mktemp("store")))
        patch.setenv("UDOCKER_TARBALL", "")  # udocker is not to look for its tools on the internet
        yield
