"""A workflow as a picture."""

from __future__ import annotations

import shutil
from pathlib import Path
from xml.etree import ElementTree

import pytest

from cwlcases import Cwl, host_tool


@pytest.fixture
def workflow(cwl: Cwl) -> Path:
    cwl.write("tool.cwl", host_tool("cat", inputs={"text": {"type": "File", "inputBinding": {}}}))
    steps = {
        "first": {"run": "tool.cwl", "in": {"text": "text"}, "out": ["out"]},
        "second": {"run": "tool.cwl", "in": {"text": "first/out"}, "out": ["out"]},
    }
    return cwl.write(
        "wf.cwl",
        {
            "class": "Workflow",
            "inputs": {"text": "File"},
            "outputs": {"out": {"type": "File", "outputSource": "second/out"}},
            "steps": steps,
        },
    )


@pytest.mark.skipif(shutil.which("dot") is None, reason="no Graphviz here, which the tests do without")
def test_it_shows_each_step(cwl: Cwl, workflow: Path) -> None:
    picture = cwl.place / "ein Bild.svg"
    done = cwl.run("--draw", str(picture), str(workflow))
    assert (done.status, done.stdout) == (0, ""), done.stderr
    words = {element.text for element in ElementTree.fromstring(picture.read_bytes()).iter()}
    assert {"first", "second", "text", "out"} <= words


def test_the_language_of_graphviz_needs_no_graphviz(cwl: Cwl, workflow: Path) -> None:
    done = cwl.run("--draw", "graph.dot", str(workflow), PATH="/nowhere")
    assert done.status == 0, done.stderr
    assert '"first" -> "second"' in (cwl.place / "graph.dot").read_text()


@pytest.mark.parametrize(
    ("picture", "words"),
    [
        ("graph.svg", "there is no `dot` on PATH"),
        ("graph.txt", "no picture can be made as graph.txt"),
        ("graph", "no picture can be made as graph"),
        ("away/graph.dot", "the picture cannot be written to away/graph.dot: No such file or directory"),
    ],
)
def test_what_cannot_be_drawn(cwl: Cwl, workflow: Path, picture: str, words: str) -> None:
    done = cwl.run("--draw", picture, str(workflow), PATH="/nowhere")
    assert done.status == 1
    assert words in done.stderr
    assert "hint: " in done.stderr


def test_nothing_is_made_of_what_is_no_workflow(cwl: Cwl) -> None:
    (cwl.place / "bad.cwl").write_text("cwlVersion: v1.2\nclass: Workflow\n")
    assert cwl.run("--draw", "graph.dot", "bad.cwl", PATH="/nowhere").status == 1
    assert not (cwl.place / "graph.dot").exists()
