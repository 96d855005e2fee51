"""``dodas cwl --cache`` on a pool: nothing that is kept becomes a job, on nodes with this disk or without."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from cwl_cache import Kept, contents, placeless, started
from cwlcases import COMMAND, Cwl, shell

NAMES = ["two words", "grün-日本語", "$(reboot); `x`"]


@pytest.fixture(params=["far", "near"])
def kept(request: pytest.FixtureRequest) -> Kept:
    cwl: Cwl = request.getfixturevalue(request.param)
    return Kept(cwl)


def workflow(tail: str) -> dict[str, Any]:
    """Return a workflow in containers: a directory is made for each name, then all are read."""
    make = shell(
        'mkdir "dir $1"; echo "$1" > "dir $1/$1"; : > "dir $1/empty"; ln -s "$1" "dir $1/link"; cat "$2"',
        inputs={
            "name": {"type": "string", "inputBinding": {"position": 1}},
            "text": {"type": "File", "inputBinding": {"position": 2}},
        },
    )
    make["baseCommand"].append("sh")
    make["outputs"]["dir"] = {"type": "Directory", "outputBinding": {"glob": "dir *"}}
    read = shell(f'cat "$@" | sort; {tail}', inputs={"all": {"type": "File[]", "inputBinding": {}}})
    read["baseCommand"].append("sh")
    read["inputs"]["dirs"] = "Directory[]"
    return {
        "class": "Workflow",
        "requirements": {"ScatterFeatureRequirement": {}},
        "inputs": {"names": "string[]", "text": "File"},
        "outputs": {
            "out": {"type": "File", "outputSource": "read/out"},
            "dirs": {"type": "Directory[]", "outputSource": "make/dir"},
        },
        "steps": {
            "make": {
                "run": make,
                "scatter": "name",
                "in": {"name": "names", "text": "text"},
                "out": ["out", "dir"],
            },
            "read": {"run": read, "in": {"all": "make/out", "dirs": "make/dir"}, "out": ["out"]},
        },
    }


def inputs(place: Path) -> dict[str, Any]:
    (place / "text.txt").write_text("text\n")
    return {"names": NAMES, "text": {"class": "File", "location": (place / "text.txt").as_uri()}}


def test_what_is_kept_becomes_no_job(kept: Kept) -> None:
    cwl, given, seen = kept.cwl, inputs(kept.cwl.place), []
    for name, ran in (("one", ["make", "make_2", "make_3", "read"]), ("two", []), ("three", ["read"])):
        cwl.outdir = cwl.place / name
        answer = cwl.run_containers(workflow("true" if ran != ["read"] else "echo more"), given)
        assert started(answer) == ran
        seen.append(placeless(answer.output, cwl.outdir))
    assert seen[0] == seen[1]
    assert seen[2]["dirs"] == seen[1]["dirs"]
    assert (cwl.place / "three" / "out.txt").read_text() == "text\n" * len(NAMES) + "more\n"
    assert cwl.runs_left() == []
    assert cwl.queued() == 0


def test_a_run_that_was_killed_and_is_taken_up_keeps_what_it_finds(kept: Kept) -> None:
    cwl, given = kept.cwl, inputs(kept.cwl.place)
    words, before = cwl.words(workflow("true"), given), cwl.ran()
    process = subprocess.Popen(
        [*COMMAND, *words],
        cwd=cwl.place,
        env=cwl.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if " done " in line:
            break
    process.kill()
    process.communicate()
    taken_up = cwl.run(*words)
    assert "going on with the run that was left" in taken_up.stderr
    again = cwl.run(*words)
    assert started(again) == []
    assert contents(again.output) == contents(taken_up.output)
    assert len(kept.json("ls")) == len(NAMES) + 1
    assert cwl.ran() - before == len(NAMES) + 1
