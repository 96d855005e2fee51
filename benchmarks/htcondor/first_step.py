"""From nothing to the first finished step on a pool of one's own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from benchmarks.htcondor import pool as pools
from benchmarks.htcondor.pool import Pool
from benchmarks.local import measure
from benchmarks.local.bench import SMALL, Bench
from benchmarks.local.table import Row

_TOOL = """\
cwlVersion: v1.2
class: CommandLineTool
requirements: {{DockerRequirement: {{dockerPull: "{image}"}}}}
baseCommand: [cat, /etc/os-release]
inputs: []
stdout: release
outputs: {{release: stdout}}
"""


def rows(bench: Bench, pool: Pool) -> list[Row]:
    """Measure ``dodas pool up --local`` and one CWL step, with the images present."""
    bench.root(SMALL)
    tool = bench.home / "tool.cwl"
    tool.write_text(_TOOL.format(image=bench.name(SMALL)))
    made = measure.call(lambda: pools.up("first"), 1)
    step = measure.call(lambda: _step("first", tool), 1)
    pools.down("first")
    both = measure.Cost(wall_least=made.wall + step.wall, wall=made.wall + step.wall, cpu=made.cpu + step.cpu)
    what = "a pool of one's own, CPU of the commands only"
    return [
        Row(what, "dodas pool up --local", made),
        Row(what, "and the first step, from CWL, in a container", both),
    ]


def _step(name: str, tool: Path) -> None:
    words = (sys.executable, "-m", "dodas", "cwl", "--quiet", "--backend", "htcondor", "--pool", name)
    outdir = str(tool.with_name("first-out"))
    subprocess.run([*words, "--outdir", outdir, str(tool)], check=True, capture_output=True)
