"""A workflow directory for each test, and pools to run it on; nothing of this without Snakemake."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from snakemake_runs import Workflow, make_workflow

pytest.importorskip("snakemake.cli", reason="the extra [snakemake] is not installed")


@pytest.fixture
def workflow(tmp_path: Path) -> Workflow:
    """Return an empty one, under a path with a space in it."""
    return make_workflow(tmp_path / "work dir")


@pytest.fixture(scope="session")
def on_pool(request: pytest.FixtureRequest) -> Callable[[Workflow, str], Workflow]:
    """Make a workflow run on a pool: ``shared``, or ``far`` with a disk of its own."""

    def use(workflow: Workflow, kind: str) -> Workflow:
        pools, name = request.getfixturevalue("condor_pool")(kind)
        workflow.env["DODAS_STATE"] = str(pools.state)
        return workflow.with_options("--dodas-backend", "htcondor", "--dodas-pool", name)

    return use
