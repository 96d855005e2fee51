"""A workflow directory for each test; nothing of this without Snakemake."""

from __future__ import annotations

from pathlib import Path

import pytest

from snakemake_runs import Workflow, make_workflow

pytest.importorskip("snakemake.cli", reason="the extra [snakemake] is not installed")


@pytest.fixture
def workflow(tmp_path: Path) -> Workflow:
    """Return an empty one, under a path with a space in it."""
    return make_workflow(tmp_path / "work dir")
