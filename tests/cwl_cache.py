"""Workflows whose steps say that they ran, and a directory of results for them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from cwlcases import Answer, Cwl, host_tool

CACHE = (sys.executable, "-c", "import sys; from dodas.cli import main; sys.exit(main())", "cache")


class Kept:
    """A directory of results, and a place where steps on the host say that they ran."""

    def __init__(self, cwl: Cwl) -> None:
        self.cwl = cwl
        self.path = cwl.place / "kept results"
        self.log = cwl.place / "log"
        self.log.touch()
        cwl.environ["DODAS_CACHE"] = str(cwl.place / "own")
        cwl.options = (*cwl.options, "--cache", str(self.path))

    def step(self, name: str, script: str, *words: str, **fields: Any) -> dict[str, Any]:
        """Return a tool that says that ``name`` ran, then runs a shell script."""
        return host_tool("sh", "-c", f"echo {name} >> '{self.log}'; {script}", "sh", *words, **fields)

    def ran(self) -> list[str]:
        """Return the names of the steps that ran since this was asked last."""
        names = self.log.read_text().split()
        self.log.write_text("")
        return sorted(names)

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run ``dodas cache``."""
        return subprocess.run(
            [*CACHE, words[0], "--cache", str(self.path), *words[1:]],
            env=self.cwl.environ,
            capture_output=True,
            text=True,
            check=False,
        )

    def json(self, *words: str) -> Any:
        """Return what ``dodas cache`` says as JSON."""
        done = self.command(*words, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def entries(self) -> dict[str, Path]:
        """Return the directories of what is kept, by name of the step."""
        return {entry["step"]: Path(entry["path"]) for entry in self.json("ls")}

    def differs(self, step: str) -> list[str]:
        """Return in what a step, which ran, was not what had been kept."""
        (answer,) = self.json("why", step)
        assert answer["outcome"] == "new"
        return list(answer["differs"])


def started(answer: Answer) -> list[str]:
    """Return the names of the steps that a run has started."""
    return sorted(re.findall(r"^\S+ started   (\S+)", answer.stderr, re.MULTILINE))


def placeless(output: Any, outdir: Path) -> Any:
    """Return an output object without the directory of the results."""
    return json.loads(json.dumps(output).replace(str(outdir), "").replace(outdir.as_uri(), "file://"))


def contents(output: Any) -> Any:
    """Return an output object without places: cwltool tells one only of a link and what it leads to."""
    if isinstance(output, dict):
        return {name: contents(item) for name, item in output.items() if name not in ("location", "path")}
    return [contents(item) for item in output] if isinstance(output, list) else output


def chain(kept: Kept, scripts: dict[str, str]) -> dict[str, Any]:
    """Return a workflow of one step after the other, each of which reads what the one before wrote."""
    steps, before = {}, "text"
    for name, script in scripts.items():
        run = kept.step(name, script, inputs={"text": "File"}, stdin="$(inputs.text.path)")
        steps[name] = {"run": run, "in": {"text": before}, "out": ["out"]}
        before = f"{name}/out"
    return {
        "class": "Workflow",
        "inputs": {"text": "File"},
        "outputs": {"out": {"type": "File", "outputSource": before}},
        "steps": steps,
    }


def text_input(kept: Kept, text: str = "one\ntwo\n", name: str = "text.txt") -> dict[str, Any]:
    """Write a file and return the input object with it."""
    path = kept.cwl.place / name
    path.write_text(text)
    return {"text": {"class": "File", "location": path.as_uri()}}


def tree(top: Path) -> dict[str, Any]:
    """Return all that is below a directory: modes, contents, where links lead."""
    found: dict[str, Any] = {}
    for path in sorted(top.rglob("*")):
        what: Any = os.readlink(path) if path.is_symlink() else None
        if what is None:
            what = (path.stat().st_mode, path.read_bytes() if path.is_file() else None)
        found[str(path.relative_to(top))] = what
    return found
