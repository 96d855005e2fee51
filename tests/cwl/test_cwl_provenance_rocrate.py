"""Runs as RO-Crates."""

from __future__ import annotations

import hashlib
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

from cwl_records import Crate
from cwlcases import IMAGE, Cwl, host_tool, shell
from dodas.containers.store import Store, lookup

# The validator of https://pypi.org/project/roc-validator/, as words of a command that want the crate in the
# end, as it needs another release of a library of ours, and the Internet or a cache that was filled there.
VALIDATOR = os.environ.get("DODAS_TEST_ROCRATE_VALIDATOR", "")
PROFILES = {f"https://w3id.org/ro/wfrun/{name}/0.5" for name in ("process", "workflow", "provenance")}


def document() -> dict[str, Any]:
    """Return a workflow with scattered steps, a workflow in it, a directory and a file beside another."""
    upper = shell('tr a-z A-Z < "$0"')
    upper["inputs"] = {"part": {"type": "File", "inputBinding": {}}}
    pack = shell('mkdir "the dir"; cp "$@" "the dir"; echo x > a.txt; echo y > a.txt.idx', arguments=["sh"])
    pack["inputs"] = {
        "parts": {"type": "File[]", "inputBinding": {"position": 1}},
        "word": {"type": "string", "default": "w"},
    }
    pack["outputs"] = {
        "dir": {"type": "Directory", "outputBinding": {"glob": "the dir"}},
        "file": {"type": "File", "secondaryFiles": [".idx"], "outputBinding": {"glob": "a.txt"}},
    }
    inner = {
        "class": "Workflow",
        "inputs": {"parts": "File[]"},
        "outputs": {
            "dir": {"type": "Directory", "outputSource": "pack/dir"},
            "file": {"type": "File", "secondaryFiles": [".idx"], "outputSource": "pack/file"},
        },
        "steps": {"pack": {"run": pack, "in": {"parts": "parts"}, "out": ["dir", "file"]}},
    }
    return {
        "class": "Workflow",
        "label": "Upper case",
        "doc": "Makes it so.",
        "requirements": {"ScatterFeatureRequirement": {}, "SubworkflowFeatureRequirement": {}},
        "inputs": {"parts": "File[]", "number": "int?"},
        "outputs": {
            "dir": {"type": "Directory", "outputSource": "deep/dir"},
            "file": {"type": "File", "secondaryFiles": [".idx"], "outputSource": "deep/file"},
        },
        "steps": {
            "upper": {"run": upper, "scatter": "part", "in": {"part": "parts"}, "out": ["out"]},
            "deep": {"run": inner, "in": {"parts": "upper/out"}, "out": ["dir", "file"]},
        },
    }


def inputs(cwl: Cwl) -> dict[str, Any]:
    found = []
    for number in range(3):
        path = cwl.place / f"in {number} grün #1 100%.txt"
        path.write_text(f"content {number}\n")
        found.append({"class": "File", "path": str(path)})
    return {"parts": found, "number": 5}


def validate(place: Path, profile: str = "provenance-run-crate-0.5") -> None:
    """Ask the validator, where there is one."""
    if VALIDATOR:
        words = [*shlex.split(VALIDATOR), "-p", profile, "-v", "--no-paging", str(place)]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout


def test_a_run_with_all_that_belongs_to_it(cwl: Cwl, image_store: Path) -> None:
    whole = document()
    whole["steps"]["upper"]["run"]["stdout"] = "$(inputs.part.nameroot).up"
    answer = cwl.run_containers(whole, inputs(cwl), "--rocrate", "crate", "--full-name", "Josiah Carberry")
    assert answer.status == 0, answer.stderr
    crate = Crate(cwl.place / "crate")
    assert crate.dangling() == []
    root = crate.entities["./"]
    assert {one["@id"] for one in root["conformsTo"]} >= PROFILES
    assert root["mainEntity"] == {"@id": "packed.cwl"}
    assert crate.entities["packed.cwl"]["name"] == "Upper case"
    runs = ["upper", "upper_2", "upper_3", "workflow deep", "pack", "main"]
    assert sorted(one["name"] for one in crate.of("CreateAction")) == sorted(f"Run of {one}" for one in runs)
    assert len(crate.of("ControlAction")) == 3
    assert len(crate.of("OrganizeAction")) == 1
    assert crate.at(crate.of("OrganizeAction")[0]["result"]) == [crate.action("main")]
    step = crate.action("upper_2")
    (image,) = crate.at(step["containerImage"])
    known = lookup(Store(str(image_store)), IMAGE)
    assert known is not None
    assert image["sha256"] == known.digest.removeprefix("sha256:")
    assert (image["registry"], image["name"], image["tag"]) == ("localhost", "dodas-test/busybox", "1")
    assert crate.at(step["location"])[0]["name"] == os.uname().nodename
    assert crate.at(step["additionalProperty"])[0]["value"] == "0"
    assert step["startTime"] < step["endTime"]
    assert crate.at(step["instrument"])[0]["@type"] == "SoftwareApplication"
    # What one step made another used.
    (made,) = crate.at(step["result"])
    (used,) = [one for one in crate.at(crate.action("pack")["object"]) if one["@type"] == "Collection"]
    assert {"@id": made["@id"]} in used["hasPart"]
    contents = [path.read_bytes() for path in (crate.place / "data").iterdir()]
    assert b"CONTENT 2\n" in contents
    for file in crate.of("File"):
        if "sha1" in file:
            path = crate.place / unquoted(file["@id"])
            assert hashlib.sha1(path.read_bytes()).hexdigest() == file["sha1"]
    directory = next(crate.place.glob("directories/*/the dir"))
    assert len(list(directory.iterdir())) == 3
    validate(crate.place)


def unquoted(name: str) -> str:
    from urllib.parse import unquote

    return unquote(name)


def test_one_tool_alone(cwl: Cwl) -> None:
    assert cwl(host_tool("echo", "hello"), {}, "--rocrate", "crate", "--provenance", "ro").status == 0
    crate = Crate(cwl.place / "crate")
    (action,) = crate.of("CreateAction")
    assert action["actionStatus"].endswith("CompletedActionStatus")
    assert crate.at(action["additionalProperty"])[0]["name"] == "exit code"
    assert (crate.place / crate.at(action["result"])[0]["@id"]).read_text() == "hello\n"
    assert (cwl.place / "ro" / "bagit.txt").exists()
    validate(crate.place, "workflow-run-crate-0.5")


def test_a_step_that_fails(cwl: Cwl) -> None:
    bad = {
        "class": "Workflow",
        "inputs": {},
        "outputs": {},
        "steps": {
            "good": {"run": host_tool("true"), "in": {}, "out": []},
            "bad": {"run": host_tool("sh", "-c", "exit 7"), "in": {}, "out": []},
        },
    }
    answer = cwl(bad, {}, "--rocrate", "crate", "--on-error", "continue")
    assert answer.status == 1
    crate = Crate(cwl.place / "crate")
    action = crate.action("bad")
    assert action["actionStatus"].endswith("FailedActionStatus")
    assert action["error"] == "failed: tool, exit status 7"
    assert crate.action("good")["actionStatus"].endswith("CompletedActionStatus")
    assert crate.action("main")["actionStatus"].endswith("FailedActionStatus")
    assert sorted(path.name for path in cwl.place.iterdir() if "crate" in path.name) == ["crate"]
    validate(crate.place)


def test_again_into_the_same_directory(cwl: Cwl) -> None:
    for word in ("one", "two"):
        assert cwl(host_tool("echo", word), {}, "--rocrate", "crate").status == 0
        assert [path.read_text() for path in (cwl.place / "crate/data").iterdir()] == [f"{word}\n"]
    assert cwl.left() == []


def test_without_the_package_the_message_says_what_to_install(cwl: Cwl) -> None:
    code = (
        "import sys; from importlib.abc import MetaPathFinder\n"
        "class Without(MetaPathFinder):\n"
        "    def find_spec(self, name, path, target=None):\n"
        "        if name == 'rocrate': raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Without())\n"
        "from dodas.cli import main; sys.exit(main())"
    )
    words = [sys.executable, "-c", code, "cwl", "--rocrate", "crate", "x.cwl"]
    done = subprocess.run(words, cwd=cwl.place, env=cwl.environ, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "dodas[rocrate]" in done.stderr
