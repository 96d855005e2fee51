"""`cwltool --udocker`, unchanged, with the udocker of `dodas env` and with udocker itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import smallimage
from udocker_env import BOX, Shell, open_shell

COMMAND = (sys.executable, "-c", "import sys; from cwltool.main import run; sys.exit(run())")


class Cwltool:
    """cwltool in a directory of its own."""

    def __init__(self, shell: Shell, place: Path) -> None:
        self.place = place
        behind = place / "behind"
        behind.mkdir()
        # cwltool cannot say --allow-root.
        root = " --allow-root" if os.geteuid() == 0 else ""
        (behind / "udocker").write_text(f'#!/bin/sh\nexec {shell.real}{root} "$@"\n')
        (behind / "udocker").chmod(0o755)
        front, rest = shell.shimmed["PATH"].split(":", 1)
        self._environs = {
            real: {**shell.environ, "PATH": ":".join((*(() if real else (front,)), str(behind), rest))}
            for real in (False, True)
        }

    def __call__(
        self, document: dict[str, Any], inputs: dict[str, Any] | None = None, *, real: bool = False
    ) -> subprocess.CompletedProcess[str]:
        """Run a tool in the image."""
        out = self.place / f"out{len(os.listdir(self.place))}"
        out.mkdir()
        (out / "tool.cwl").write_text(json.dumps(document))
        (out / "inputs.json").write_text(json.dumps(inputs or {}))
        return subprocess.run(
            [
                *COMMAND,
                "--udocker",
                "--outdir",
                out,
                out / "tool.cwl",
                out / "inputs.json",
            ],
            env=self._environs[real],
            cwd=out,
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    return open_shell(tmp_path_factory.mktemp("udocker"))


@pytest.fixture
def cwltool(shell: Shell, tmp_path: Path) -> Cwltool:
    (tmp_path / "input").write_text("a\nb\n")
    return Cwltool(shell, tmp_path)


def tool(script: str, *arguments: str, **fields: Any) -> dict[str, Any]:
    """Return a tool that runs a shell script in the image and whose standard output is ``out``."""
    return {
        "cwlVersion": "v1.2",
        "class": "CommandLineTool",
        "baseCommand": ["sh", "-c", script, "sh"],
        "arguments": list(arguments),
        "inputs": {},
        "outputs": {"out": {"type": "stdout"}},
        "stdout": "out.txt",
        **fields,
        "requirements": {"DockerRequirement": {"dockerPull": BOX}, **fields.get("requirements", {})},
    }


def text(done: subprocess.CompletedProcess[str]) -> str:
    """Return the content of ``out``."""
    assert done.returncode == 0, done.stderr
    return Path(json.loads(done.stdout)["out"]["path"]).read_text()


INPUT = {"inputs": {"file": {"type": "File"}}}
SAME = {
    "arguments": tool('echo "$#" "$@"', "a  b", "it's", "$x", "*"),
    "the environment": tool("echo $PATH $GREETING $USER; pwd | cut -c 1; test -w $TMPDIR -a -w $HOME; id -u"),
    "variables": tool("echo $WORD", requirements={"EnvVarRequirement": {"envDef": {"WORD": "two words"}}}),
    "standard input": tool("rev", stdin="$(inputs.file.path)", **INPUT),
    "a file": tool("cat $1; basename $1", "$(inputs.file.path)", **INPUT),
    "a file in the working directory": tool(
        "cat here; echo more >> copy; cat copy",
        requirements={
            "InitialWorkDirRequirement": {
                "listing": [
                    {"entryname": "here", "entry": "text\n"},
                    {"entryname": "copy", "entry": "$(inputs.file)", "writable": True},
                ]
            }
        },
        **INPUT,
    ),
    "a status that is a success": tool("exit 3", successCodes=[3]),
}


def test_the_outputs_are_those_of_udocker(cwltool: Cwltool) -> None:
    names = {f"step{number}": document for number, document in enumerate(SAME.values())}
    workflow = {
        "cwlVersion": "v1.2",
        "class": "Workflow",
        "inputs": {"file": "File"},
        "outputs": {name: {"type": "File", "outputSource": f"{name}/out"} for name in names},
        "steps": {
            name: {
                "run": {**document, "stdout": name},
                "in": {"file": "file"} if document["inputs"] else {},
                "out": ["out"],
            }
            for name, document in names.items()
        },
    }
    inputs = {"file": {"class": "File", "location": (cwltool.place / "input").as_uri()}}
    found = [cwltool(workflow, inputs, real=real) for real in (False, True)]
    assert [done.returncode for done in found] == [0, 0], found
    ours, udockers = (
        [Path(json.loads(done.stdout)[name]["path"]).read_text() for name in names] for done in found
    )
    assert dict(zip(SAME, ours, strict=True)) == dict(zip(SAME, udockers, strict=True))


@pytest.mark.parametrize("script", ["echo x; exit 3", "exec not-there", "exit 255"])
def test_failures_are_failures(script: str, cwltool: Cwltool) -> None:
    ours, udockers = (cwltool(tool(script), real=real) for real in (False, True))
    assert ours.returncode == udockers.returncode == 1, ours.stderr + udockers.stderr


def test_empty_arguments_arrive(cwltool: Cwltool) -> None:
    document = tool('for word; do echo "<$word>"; done', "", "a", "")
    assert text(cwltool(document)) == "<>\n<a>\n<>\n"
    assert text(cwltool(document, real=True)) == "<a>\n"


def test_values_keep_their_blanks(cwltool: Cwltool) -> None:
    document = tool('echo "<$WORD>"', requirements={"EnvVarRequirement": {"envDef": {"WORD": " a  b "}}})
    assert text(cwltool(document)) == "< a  b >\n"
    assert text(cwltool(document, real=True)) == "<a  b>\n"


def test_inputs_are_read_only(cwltool: Cwltool) -> None:
    """Also those whose `:ro` cwltool has taken away."""
    path = cwltool.place / "input"
    document = tool("echo changed > $1", "$(inputs.file.path)", **INPUT)
    inputs = {"file": {"class": "File", "location": path.as_uri()}}
    assert cwltool(document, inputs).returncode == 1
    assert path.read_text() == "a\nb\n"
    assert cwltool(document, inputs, real=True).returncode == 0
    assert path.read_text() == "changed\n"


@pytest.mark.parametrize("name", ["c:d", "a b:/c"])
def test_inputs_may_have_colons(name: str, cwltool: Cwltool) -> None:
    path = cwltool.place / name / "file"
    path.parent.mkdir(parents=True)
    path.write_text("content\n")
    document = tool("cat $1", "$(inputs.file.path)", **INPUT)
    assert text(cwltool(document, {"file": {"class": "File", "path": str(path)}})) == "content\n"


def test_a_file_in_a_directory_that_is_to_be_made(cwltool: Cwltool) -> None:
    entry = "${ return {class: 'Directory', basename: 'deep', listing: [inputs.file]}; }"
    document = tool(
        "cat deep/input",
        requirements={"InitialWorkDirRequirement": {"listing": [entry]}, "InlineJavascriptRequirement": {}},
        **INPUT,
    )
    inputs = {"file": {"class": "File", "location": (cwltool.place / "input").as_uri()}}
    assert text(cwltool(document, inputs)) == "a\nb\n"


def test_a_killed_tool_is_told_from_one_that_fails(cwltool: Cwltool) -> None:
    for script, code in (("kill -9 $$", 137), ("exit 9", 9)):
        document = tool(script, successCodes=[9, 137, 255])
        document["outputs"]["code"] = {
            "type": "int",
            "outputBinding": {"outputEval": "$(runtime.exitCode)"},
        }
        done = cwltool(document)
        assert json.loads(done.stdout)["code"] == code, done.stderr


def test_nothing_outlives_the_time_limit(cwltool: Cwltool) -> None:
    mark = smallimage.token()
    document = tool(
        f"sleep {mark} & echo started; sleep {mark}", requirements={"ToolTimeLimit": {"timelimit": 3}}
    )
    done = cwltool(document)
    assert done.returncode == 1
    assert "time limit" in done.stderr
    smallimage.assert_gone(mark)
