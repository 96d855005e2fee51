"""Workflows whose steps run on the host: evaluation, environment, options."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from cwlcases import Cwl, host_tool

HOSTILE = [
    "two words",
    'quo\'te "and" more',
    "colon:in:name",
    "grün-日本語-😀",
    "-rf",
    "$(reboot); `x` & y | z > w",
    "100%",
    "hash#mark",
    "back\\slash",
    "x" * 200,
]


def scattered(n: int, **step: Any) -> dict[str, Any]:
    """Return a workflow that doubles numbers, one step each."""
    double = host_tool("sh", "-c", "echo $(($1 * 2))", "sh")
    double["inputs"] = {"number": {"type": "int", "inputBinding": {}}}
    double["outputs"] = {
        "value": {
            "type": "int",
            "outputBinding": {
                "glob": "out.txt",
                "loadContents": True,
                "outputEval": "$(parseInt(self[0].contents))",
            },
        }
    }
    total = {
        "class": "ExpressionTool",
        "inputs": {"values": {"type": "Any"}},
        "outputs": {"total": "int"},
        "expression": "${ var t = 0; inputs.values.forEach(function(v) { t += v || 0 }); return {total: t} }",
    }
    inner = {
        "class": "Workflow",
        "inputs": {"number": "int"},
        "outputs": {"value": {"type": "int", "outputSource": "double/value"}},
        "steps": {"double": {"run": double, "in": {"number": "number"}, "out": ["value"]}},
    }
    return {
        "class": "Workflow",
        "requirements": {
            "ScatterFeatureRequirement": {},
            "SubworkflowFeatureRequirement": {},
            "InlineJavascriptRequirement": {},
        },
        "inputs": {"numbers": {"type": "int[]", "default": list(range(n))}},
        "outputs": {"total": {"type": "int", "outputSource": "sum/total"}},
        "steps": {
            "each": {
                "run": inner,
                "scatter": "number",
                "in": {"number": "numbers"},
                "out": ["value"],
                **step,
            },
            "sum": {"run": total, "in": {"values": "each/value"}, "out": ["total"]},
        },
    }


def test_scatter_over_a_sub_workflow_and_an_expression(cwl: Cwl) -> None:
    assert cwl(scattered(20)).output == {"total": 380}
    assert cwl.left() == []


def test_steps_that_a_condition_leaves_out(cwl: Cwl) -> None:
    assert cwl(scattered(6, when="$(inputs.number % 2 == 0)")).output == {"total": 12}


def test_a_loop(cwl: Cwl) -> None:
    grow = {
        "class": "ExpressionTool",
        "inputs": {"value": "int"},
        "outputs": {"value": "int"},
        "expression": "$({value: inputs.value * 3})",
    }
    step = {
        "run": grow,
        "in": {"value": "start"},
        "out": ["value"],
        "when": "$(inputs.value < 50)",
        "loop": {"value": "value"},
        "outputMethod": "last_iteration",
    }
    document = {
        "cwlVersion": "v1.3.0-dev1",
        "class": "Workflow",
        "requirements": {"InlineJavascriptRequirement": {}},
        "inputs": {"start": "int"},
        "outputs": {"value": {"type": "int", "outputSource": "grow/value"}},
        "steps": {"grow": step},
    }
    assert cwl(document, {"start": 2}, "--enable-dev").output == {"value": 54}


def test_inputs_from_the_command_line(cwl: Cwl) -> None:
    document = host_tool("echo")
    document["inputs"] = {
        "words": {"type": "string", "inputBinding": {}},
        "count": {"type": "int", "inputBinding": {}},
    }
    path = cwl.write("tool.cwl", document)
    answer = cwl.run(
        "--outdir", str(cwl.outdir), "--no-container", str(path), "--words", "a  b", "--count", "3"
    )
    assert answer.text() == "3 a  b\n"


def test_the_environment_is_exactly_what_cwl_says(cwl: Cwl) -> None:
    document = host_tool(
        "env", "-0", requirements={"EnvVarRequirement": {"envDef": {"TEXT": " two\nlines ", "EMPTY": ""}}}
    )
    answer = cwl(document, {}, SECRET="not for tools")
    found = dict(entry.split("=", 1) for entry in answer.text().split("\0") if entry)
    assert found.keys() == {"HOME", "TMPDIR", "PATH", "TEXT", "EMPTY"}
    assert (found["TEXT"], found["EMPTY"]) == (" two\nlines ", "")


def test_a_variable_may_be_kept(cwl: Cwl) -> None:
    answer = cwl(host_tool("sh", "-c", 'echo "$KEEP"'), {}, "--preserve-environment", "KEEP", KEEP="me")
    assert answer.text() == "me\n"


def test_any_file_name(cwl: Cwl) -> None:
    sources = [cwl.place / "in" / name for name in HOSTILE]
    sources[0].parent.mkdir()
    for source in sources:
        source.write_text(source.name)
    document = host_tool("cp", "-t", ".", "--")
    document["inputs"] = {"files": {"type": "File[]", "inputBinding": {}}}
    document["outputs"] = {"copies": {"type": "File[]", "outputBinding": {"glob": "*"}}}
    del document["stdout"]
    inputs = [{"class": "File", "location": source.as_uri()} for source in sources]
    found = [Path(item["path"]) for item in cwl(document, {"files": inputs}).output["copies"]]
    assert sorted(path.name for path in found) == sorted(HOSTILE)
    assert all(path.read_text() == path.name for path in found)


def test_standard_streams(cwl: Cwl) -> None:
    (cwl.place / "in.bin").write_bytes(bytes(range(256)))
    document = host_tool("sh", "-c", "cat; echo problem >&2")
    document["inputs"] = {"file": {"type": "File", "streamable": True}}
    document["stdin"] = "$(inputs.file.path)"
    document["stderr"] = "sub/err.txt"
    document["outputs"]["err"] = {"type": "stderr"}
    answer = cwl(document, {"file": {"class": "File", "path": str(cwl.place / "in.bin")}})
    assert Path(answer.output["out"]["path"]).read_bytes() == bytes(range(256))
    assert answer.text("err") == "problem\n"


def test_overrides(cwl: Cwl) -> None:
    document = host_tool(
        "sh", "-c", 'echo "$WORD"', requirements={"EnvVarRequirement": {"envDef": {"WORD": "one"}}}
    )
    overrides = cwl.place / "overrides.yml"
    override = {"document.cwl": {"requirements": {"EnvVarRequirement": {"envDef": {"WORD": "other"}}}}}
    overrides.write_text(json.dumps({"cwltool:overrides": override}))
    assert cwl(document, {}, "--overrides", str(overrides)).text() == "other\n"


def test_what_needs_no_steps_starts_none(cwl: Cwl) -> None:
    assert "is valid CWL" in cwl(host_tool("true"), {}, "--validate").stdout
    assert json.loads(cwl(host_tool("true"), {}, "--print-pre").stdout)["class"] == "CommandLineTool"
    assert "cwltool" in cwl.run("--version").stdout
    assert "--backend" in cwl.run("--help").stdout
    assert cwl.left() == []


def test_temporary_files_may_be_kept(cwl: Cwl) -> None:
    assert cwl(host_tool("sh", "-c", "echo x > $TMPDIR/mine; echo done"), {}, "--leave-tmpdir").status == 0
    assert [path.read_text() for path in cwl.tmp.rglob("mine")] == ["x\n"]


def test_logs_may_be_kept(cwl: Cwl) -> None:
    logs = cwl.place / "logs"
    assert cwl(host_tool("sh", "-c", "echo to the log >&2"), {}, "--logs", str(logs)).status == 0
    assert [path.read_text() for path in logs.rglob("stderr")] == ["to the log\n"]


def test_files_are_updated_in_place_where_that_is_wanted(cwl: Cwl) -> None:
    target = cwl.place / "table.txt"
    target.write_text("one\n")
    document = host_tool(
        "sh",
        "-c",
        "echo two >> table.txt",
        requirements={
            "InplaceUpdateRequirement": {"inplaceUpdate": True},
            "InitialWorkDirRequirement": {"listing": [{"entry": "$(inputs.table)", "writable": True}]},
        },
    )
    document["inputs"] = {"table": "File"}
    assert cwl(document, {"table": {"class": "File", "path": str(target)}}).status == 0
    assert target.read_text() == "one\ntwo\n"


def test_an_ordinary_place_for_the_outputs(cwl: Cwl) -> None:
    answer = cwl(host_tool("echo", "here"))
    assert Path(answer.output["out"]["path"]) == cwl.outdir / "out.txt"
    assert os.listdir(cwl.outdir) == ["out.txt"]


def test_a_document_that_is_not_there_is_a_plain_error(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "dodas", "cwl", "absent.cwl"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "absent.cwl" in done.stderr
    assert "hint:" in done.stderr
    assert "Traceback" not in done.stderr


def test_literal_files_can_be_written_twice(cwl: Cwl) -> None:
    """cwltool leaves them read-only, and cannot write them again itself."""
    code = """${
        var inner = {class: "File", basename: "inner", contents: inputs.word};
        return {file: {class: "File", basename: "outer", contents: inputs.word},
                directory: {class: "Directory", basename: "top", listing: [inner]}};
    }"""
    document = {
        "class": "ExpressionTool",
        "requirements": {"InlineJavascriptRequirement": {}},
        "inputs": {"word": "string"},
        "outputs": {"file": "File", "directory": "Directory"},
        "expression": code,
    }
    for word in ("one", "other"):
        assert cwl(document, {"word": word}).text("file") == word
        assert (cwl.outdir / "top" / "inner").read_text() == word
