"""Workflows that bring up the pool that a file describes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from condor_pool import Pools, until, with_image
from pool_visits import TOOL, run_tool

pytestmark = pytest.mark.slow

_POOL = """\
dodas: 1
name: visited
flavours:
  small: {provider: local, cores: 1, memory: 512MiB, maximum: 2, lifetime: 10m, idle: 5s, shared_disk: true}
elasticity: {interval: 1s, boot: 60s, young: 5s, idle_pool: 4s}
"""


def test_a_pool_comes_with_a_workflow_and_goes_by_itself(tmp_path: Path) -> None:
    pytest.importorskip("htcondor2", reason="the extra dodas[htcondor] is not installed")
    with_image()
    (tmp_path / "pool.yaml").write_text(_POOL)
    (tmp_path / "tool.cwl").write_text(TOOL)
    pools = Pools(state=tmp_path / "state")
    try:
        assert run_tool(pools, tmp_path, seconds=150) == "made on a worker\n"
        assert pools.status("visited")["agent"]
        until(lambda: json.loads(pools("list", "--json").stdout) == [])
    finally:
        pools("down", "visited", "--force")
    assert not (tmp_path / "state" / "pools").exists()
