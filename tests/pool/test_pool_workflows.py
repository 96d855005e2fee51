"""Workflows that bring up the pool that a file describes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from condor_pool import Pools, until, with_image

pytestmark = pytest.mark.slow

_POOL = """\
dodas: 1
name: visited
flavours:
  small: {provider: local, cores: 1, memory: 512MiB, maximum: 2, lifetime: 10m, idle: 5s, shared_disk: true}
elasticity: {interval: 1s, boot: 60s, young: 5s, idle_pool: 4s}
"""
_TOOL = """\
cwlVersion: v1.2
class: CommandLineTool
baseCommand: [sh, -c, "echo made on a worker"]
inputs: []
outputs: {said: stdout}
stdout: said.txt
"""


def test_a_pool_comes_with_a_workflow_and_goes_by_itself(tmp_path: Path) -> None:
    pytest.importorskip("htcondor2", reason="the extra dodas[htcondor] is not installed")
    with_image()
    (tmp_path / "pool.yaml").write_text(_POOL)
    (tmp_path / "tool.cwl").write_text(_TOOL)
    pools = Pools(state=tmp_path / "state")
    try:
        done = subprocess.run(
            [sys.executable, "-m", "dodas", "cwl", "--pool", "pool.yaml", "tool.cwl"],
            cwd=tmp_path,
            env=pools.environment(),
            capture_output=True,
            text=True,
            check=False,
            timeout=150,
        )
        assert done.returncode == 0, done.stderr
        said = json.loads(done.stdout)["said"]
        assert Path(said["path"]).read_text() == "made on a worker\n"
        assert pools.status("visited")["agent"]
        until(lambda: json.loads(pools("list", "--json").stdout) == [])
    finally:
        pools("down", "visited", "--force")
    assert not (tmp_path / "state" / "pools").exists()
