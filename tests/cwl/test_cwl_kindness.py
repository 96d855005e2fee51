"""What is said of wrong inputs and expressions: where they stand, what they are, and what they should be."""

from __future__ import annotations

from pathlib import Path

import pytest

from cwlcases import Cwl, host_tool

HOSTILE = 'it\'s a "file": ünïcode, -rf $(x) #1 %20'


@pytest.fixture
def tool(cwl: Cwl) -> Path:
    inputs = {
        "text": {"type": "File", "inputBinding": {}},
        "count": "int",
        "kind": {"type": {"type": "enum", "symbols": ["red", "green"]}, "default": "red"},
        "more": {"type": "File[]?"},
    }
    (cwl.place / "there.txt").write_text("x")
    return cwl.write("tool.cwl", host_tool("cat", inputs=inputs))


def order(cwl: Cwl, text: str) -> str:
    path = cwl.place / "job.yml"
    path.write_text(text)
    return str(path)


def refused(cwl: Cwl, tool: Path, text: str) -> list[str]:
    done = cwl.run("--no-container", str(tool), order(cwl, text))
    assert done.status == 1
    assert "Traceback" not in done.stderr
    assert "started" not in done.stderr
    return done.stderr.splitlines()


def test_a_file_that_is_not_there(cwl: Cwl, tool: Path) -> None:
    said = refused(cwl, tool, "count: 3\ntext: {class: File, path: nope.txt}\n")
    assert f"job.yml:2: input 'text' of tool.cwl: there is no {cwl.place}/nope.txt" in said


def test_a_file_with_a_hostile_name_that_is_not_there(cwl: Cwl, tool: Path) -> None:
    (cwl.place / "job.json").write_text("")
    quoted = HOSTILE.replace("'", "''")
    said = refused(cwl, tool, f"count: 3\ntext: {{class: File, path: '{quoted}'}}\n")
    assert any(line.startswith("job.yml:2: input 'text' of tool.cwl: there is no ") for line in said)


def test_files_deep_in_an_array(cwl: Cwl, tool: Path) -> None:
    there, away = "{class: File, path: there.txt}", "{class: File, path: away.txt}"
    said = refused(cwl, tool, f"count: 3\ntext: {there}\nmore:\n- {there}\n- {away}\n- {there}\n")
    assert [line for line in said if "input 'more'" in line] == [
        f"job.yml:3: input 'more' of tool.cwl: there is no {cwl.place}/away.txt"
    ]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("count: three", "input 'count' of tool.cwl has to be int, and is 'three'"),
        ("count: [1, 2]", "input 'count' of tool.cwl has to be int, and is [1, 2]"),
        ("count: {class: File, path: there.txt}", "input 'count' of tool.cwl has to be int, and is a File"),
        ("count: " + "y" * 300, "input 'count' of tool.cwl has to be int, and is '" + "y" * 58 + "…"),
    ],
)
def test_a_value_of_another_type(cwl: Cwl, tool: Path, value: str, words: str) -> None:
    assert f"job.yml:2: {words}" in refused(cwl, tool, f"text: {{class: File, path: there.txt}}\n{value}\n")


def test_a_word_that_is_none_of_those_allowed(cwl: Cwl, tool: Path) -> None:
    said = refused(cwl, tool, "text: {class: File, path: there.txt}\ncount: 1\nkind: blue\n")
    assert "job.yml:3: input 'kind' of tool.cwl has to be 'red' or 'green', and is 'blue'" in said


def test_all_that_is_wrong_is_told_at_once(cwl: Cwl, tool: Path) -> None:
    said = refused(cwl, tool, "{}")
    assert "2 inputs are not right, so nothing was run:" in said
    assert "input 'text' of tool.cwl is missing; it has to be File" in said
    assert "input 'count' of tool.cwl is missing; it has to be int" in said


def test_a_name_that_is_spelt_wrong_is_told_of(cwl: Cwl, tool: Path) -> None:
    done = cwl.run(
        "--no-container",
        str(tool),
        order(cwl, "text: {class: File, path: there.txt}\ncount: 1\nknid: green\nsomething: 1\n"),
    )
    assert done.status == 0, done.stderr
    assert "job.yml:3: tool.cwl has no input 'knid'; is 'kind' meant?" in done.stderr
    assert "job.yml:4: tool.cwl has no input 'something'\n" in done.stderr


def test_an_expression_that_fails(cwl: Cwl) -> None:
    """It is told with its place and the fault; all inputs and stacks come with ``--debug``."""
    path = cwl.place / "tool.cwl"
    path.write_text(
        "cwlVersion: v1.2\nclass: CommandLineTool\nrequirements: {InlineJavascriptRequirement: {}}\n"
        "baseCommand: echo\ninputs: {secret: string}\noutputs: {}\narguments:\n"
        "  - $(inputs.nothing.of.this)\n"
    )
    workflow = cwl.write(
        "wf.cwl",
        {
            "class": "Workflow",
            "inputs": {"secret": "string"},
            "outputs": {},
            "steps": {"only": {"run": "tool.cwl", "in": {"secret": "secret"}, "out": []}},
        },
    )
    done = cwl.run("--no-container", str(workflow), order(cwl, "secret: not for the log\n"))
    assert done.status == 1
    told = "TypeError: Cannot read properties of undefined (reading 'of'), in: inputs.nothing.of.this"
    assert "[step only] Cannot make job: tool.cwl:8:5: Expression evaluation error:" in done.stderr
    assert told in done.stderr
    assert done.stderr.count("\n") < 6, done.stderr
    assert "not for the log" not in done.stderr
    again = cwl.run("--debug", "--no-container", str(workflow), order(cwl, "secret: x\n"))
    assert "script was:" in again.stderr
