"""A CWL workflow that scatters one container step."""

from __future__ import annotations

import json
import sys

from benchmarks.local import measure
from benchmarks.local.bench import SMALL, Bench
from benchmarks.local.table import Row

_STEPS, _FEW = 100, 10
_WORKFLOW = """\
cwlVersion: v1.2
class: Workflow
requirements: {{ScatterFeatureRequirement: {{}}}}
inputs: {{words: "string[]"}}
outputs: {{files: {{type: "File[]", outputSource: say/file}}}}
steps:
  say:
    scatter: word
    in: {{word: words}}
    out: [file]
    run:
      class: CommandLineTool
      requirements: {{DockerRequirement: {{dockerPull: "{image}"}}}}
      baseCommand: echo
      inputs: {{word: {{type: string, inputBinding: {{}}}}}}
      stdout: word.txt
      outputs: {{file: {{type: stdout}}}}
"""


def rows(bench: Bench) -> list[Row]:
    """Measure the whole command."""
    bench.root(SMALL)
    workflow = bench.home / "scatter.cwl"
    workflow.write_text(_WORKFLOW.format(image=bench.name(SMALL)))
    ours = measure.command([sys.executable, "-m", "dodas", "cwl", "--quiet", *_job(bench, _STEPS)])
    peer = [sys.executable, "-m", "cwltool", "--udocker", "--parallel", "--quiet"]  # the first on PATH
    few = measure.command([*peer, *_job(bench, _FEW)])
    one = measure.command([*peer, *_job(bench, 1)])
    host = measure.command(
        [sys.executable, "-m", "cwltool", "--no-container", "--parallel", "--quiet", *_job(bench, _STEPS)]
    )

    def scale(of_few: float, of_one: float) -> float:
        return of_one + (of_few - of_one) / (_FEW - 1) * (_STEPS - 1)

    theirs = measure.Cost(
        wall_least=scale(few.wall, one.wall), wall=scale(few.wall, one.wall), cpu=scale(few.cpu, one.cpu)
    )
    label = f"CWL scatter of {_STEPS} container steps"
    return [
        Row(label, "dodas cwl", ours),
        Row(label, "cwltool --udocker --parallel", theirs, versus=ours, note=f"{_FEW} steps, scaled"),
        Row(label, "cwltool --no-container --parallel, for comparison", host, versus=ours),
    ]


def _job(bench: Bench, count: int) -> list[str]:
    job = bench.home / f"job{count}.json"
    job.write_text(json.dumps({"words": [f"word{number}" for number in range(count)]}))
    return ["--outdir", str(bench.home / "cwl-out"), str(bench.home / "scatter.cwl"), str(job)]
