"""``true`` scattered, on the host: what a runner itself takes for each step."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from benchmarks.local.table import Row
from benchmarks.staging.rounds import DODAS, Client, measure

_WORKFLOW = """\
cwlVersion: v1.2
class: Workflow
requirements: {ScatterFeatureRequirement: {}}
inputs: {numbers: "int[]"}
outputs: {done: {type: "int[]", outputSource: one/done}}
steps:
  one:
    scatter: number
    in: {number: numbers}
    out: [done]
    run:
      class: CommandLineTool
      baseCommand: "true"
      inputs: {number: int}
      outputs:
        done: {type: int, outputBinding: {outputEval: $(inputs.number)}}
"""
_HERE = Path(sys.executable).parent
_ROUNDS = 3
_MOST_FOR_SLOW = 100  # more take toil and streamflow many minutes
_FEW, _MANY = 1_000, 10_000


def rows(home: Path) -> Iterable[Row]:
    """Measure all runners with 100 and 1,000 steps, and dodas alone with ten times as many."""
    workflow = home / "scatter.cwl"
    workflow.write_text(_WORKFLOW)
    found: dict[int, Row] = {}
    for count in (100, _FEW, _MANY):
        of_all = measure(
            f"true, scattered over {count}",
            _runners(home, workflow, count),
            rounds=_ROUNDS if count < _MANY else 1,
            environment=environment(home),
            prepare=lambda: shutil.rmtree(home / "out", ignore_errors=True),
        )
        found[count] = of_all[0]
        if count == _MANY:
            yield _per_step(of_all[0], found[_FEW])
        else:
            yield from of_all


def rerun(home: Path) -> Iterable[Row]:
    """Measure a run whose results are all in the cache, and the first one, which had none."""
    yield from _rerun(home, ["true"], _FEW)
    yield from _rerun(home, ["sleep", "1"], 100)


def _rerun(home: Path, command: list[str], count: int) -> Iterable[Row]:
    workflow = home / "scatter.cwl"
    workflow.write_text(_WORKFLOW.replace('"true"', json.dumps(command)))
    cache = home / f"cache{count}"
    what = f"{' '.join(command)}, scattered over {count}, with a cache"
    words = _dodas(home, workflow, count, "--cache", str(cache))

    def row(how: str) -> Row:
        client = replace(words, how=DODAS)
        [one] = measure(what, [client], rounds=1, environment=environment(home), prepare=lambda: None)
        return replace(one, how=how)

    first, again = row("dodas, the first time"), row("dodas, again")
    yield again
    yield replace(first, versus=again.cost)


def environment(home: Path) -> Mapping[str, str]:
    """Return the environment of all runners, with nothing of the user's."""
    return {
        **{name: value for name, value in os.environ.items() if name != "CWLTOOL_OPTIONS"},
        # A leader of toil looks for its workers there.
        "PATH": f"{os.environ['PATH']}:{_HERE.parent.parent / '.venv-peers-toil/bin'}",
        "TMPDIR": str(home),
        "DODAS_SCRATCH": str(home),
    }


def _per_step(many: Row, few: Row) -> Row:
    """Say how the cost of one step grows, which is what there is to be known of many."""
    grown = (many.cost.cpu / _MANY) / (few.cost.cpu / _FEW)
    return replace(many, note=f"{many.note}; {grown:.2f} times the CPU of each of {_FEW} steps")


def _runners(home: Path, workflow: Path, count: int) -> list[Client]:
    ours = _dodas(home, workflow, count)
    if count == _MANY:
        return [ours]
    job = _job(home, count)
    out = str(home / "out")
    plain = [str(_HERE / "cwltool"), "--quiet", "--no-container", "--outdir", out]
    peers = _HERE.parent.parent
    toil = [
        *(str(peers / ".venv-peers-toil/bin/toil-cwl-runner"), "--quiet", "--no-container", "--outdir", out),
        *("--jobStore", str(home / "toil-jobs"), "--logOff", "--workDir", str(home)),
    ]
    streamflow = [str(peers / ".venv-peers-streamflow/bin/cwl-runner"), "--quiet", "--outdir", out]
    clients = [
        ours,
        Client(how="cwltool --parallel", words=[*plain, "--parallel", str(workflow), job]),
        Client(how="cwltool", words=[*plain, str(workflow), job]),
    ]
    if count <= _MOST_FOR_SLOW:
        clients += [
            Client(how="streamflow", words=[*streamflow, str(workflow), job], most=1),
            Client(how="toil", words=[*toil, str(workflow), job], most=1),
        ]
    return clients


def _dodas(home: Path, workflow: Path, count: int, *options: str) -> Client:
    words = [str(_HERE / "dodas"), "cwl", "--quiet", "--outdir", str(home / "out"), *options]
    return Client(how=DODAS, words=[*words, str(workflow), _job(home, count)])


def _job(home: Path, count: int) -> str:
    job = home / f"job{count}.json"
    job.write_text(json.dumps({"numbers": list(range(count))}))
    return str(job)
