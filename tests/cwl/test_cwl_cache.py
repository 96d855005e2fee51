"""``dodas cwl --cache``: what is the same as before does not run, what comes out is the same as if it had."""

from __future__ import annotations

import json
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest

from cwl_cache import Kept, chain, contents, placeless, started, text_input, tree
from cwlcases import IMAGE, Cwl, host_tool, shell
from dodas.containers.store import Store
from image_making import add

NAMES = [
    "two words",
    'quo\'te "and" more',
    "-rf",
    "grün-日本語-😀",
    "$(reboot); `x` & y",
    "100%25",
    "hash#mark",
]
THREE = {"first": "tr a-z A-Z", "second": "sort -r", "third": "wc -l"}


@pytest.fixture
def kept(cwl: Cwl) -> Kept:
    return Kept(cwl)


def test_the_second_run_runs_nothing(kept: Kept) -> None:
    scripts = {name: f"{script}; sleep 1" for name, script in THREE.items()}
    document, inputs = chain(kept, scripts), text_input(kept)
    first = kept.cwl(document, inputs)
    assert kept.ran() == sorted(THREE)
    second = kept.cwl(document, inputs)
    assert kept.ran() == []
    assert second.output == first.output
    assert started(second) == []
    assert "reused 3 of 3 steps" in second.stderr
    assert kept.cwl.left() == []


def test_only_what_changed_runs_again(kept: Kept) -> None:
    inputs = text_input(kept)
    kept.cwl(chain(kept, THREE), inputs)
    kept.ran()
    assert kept.cwl(chain(kept, {**THREE, "second": "sort"}), inputs).text() == "2\n"
    assert kept.ran() == ["second", "third"]
    # Its result is the same although it is another command, so what follows has the same input.
    assert kept.cwl(chain(kept, {**THREE, "second": "sort "}), inputs).text() == "2\n"
    assert kept.ran() == ["second"]
    assert kept.cwl(chain(kept, THREE), inputs).text() == "2\n"
    assert kept.ran() == []


def test_a_file_is_what_is_in_it(kept: Kept) -> None:
    inputs = text_input(kept)
    kept.cwl(chain(kept, THREE), inputs)
    kept.ran()
    os.utime(kept.cwl.place / "text.txt", (1, 1))
    kept.cwl(chain(kept, THREE), inputs)
    assert kept.ran() == []
    kept.cwl(chain(kept, THREE), text_input(kept, "two\none\n"))
    assert kept.ran() == ["first", "second"]  # sorted, it is the same


def test_a_name_counts_too(kept: Kept) -> None:
    step = kept.step("step", 'basename "$1"', inputs={"text": {"type": "File", "inputBinding": {}}})
    assert kept.cwl(step, text_input(kept, name="one")).text() == "one\n"
    assert kept.cwl(step, text_input(kept, name="other")).text() == "other\n"
    assert kept.ran() == ["step", "step"]


def test_a_failing_run_keeps_what_finished(kept: Kept) -> None:
    inputs = text_input(kept)
    failing = kept.cwl(chain(kept, {**THREE, "third": "exit 3"}), inputs)
    assert failing.status == 1
    assert kept.ran() == sorted(THREE)
    assert kept.cwl(chain(kept, {**THREE, "third": "exit 3"}), inputs).status == 1
    assert kept.ran() == ["third"]  # a failure is not kept
    assert kept.cwl(chain(kept, THREE), inputs).text() == "2\n"
    assert kept.ran() == ["third"]


def test_what_counts_as_success_is_kept(kept: Kept) -> None:
    step = kept.step("step", "echo x; exit 7", successCodes=[0, 7])
    assert kept.cwl(step).text() == kept.cwl(step).text() == "x\n"
    assert kept.ran() == ["step"]
    assert kept.cwl(kept.step("step", "echo x; exit 7", successCodes=[0])).status == 1
    assert kept.ran() == ["step"]


@pytest.mark.parametrize("enable", [False, "$(inputs.text.size > 100)"])
def test_work_reuse(kept: Kept, enable: Any) -> None:
    again: dict[str, Any] = {"WorkReuse": {"enableReuse": enable}}
    inputs = text_input(kept)
    step = kept.step(
        "step",
        "date +%s%N",
        inputs={"text": "File"},
        requirements={**again, "InlineJavascriptRequirement": {}},
    )
    assert kept.cwl(step, inputs).text() != kept.cwl(step, inputs).text()
    assert kept.ran() == ["step", "step"]
    assert kept.json("ls") == []
    assert "WorkReuse" in kept.command("why", "document.cwl").stdout
    if enable:
        kept.cwl(step, text_input(kept, "x" * 200))
        kept.cwl(step, text_input(kept, "x" * 200))
        assert kept.ran() == ["step"]


def everything(kept: Kept) -> dict[str, Any]:
    """Return a tool that makes whatever a tool may make."""
    script = """
        mkdir -p 'd d/sub/empty'; : > 'd d/nothing'; echo deep > 'd d/sub/deep'; ln -s sub/deep 'd d/link'
        chmod 750 'd d/sub'; echo main > main.txt; echo index > main.txt.idx; : > none
        echo '#!/bin/sh' > program; chmod 755 program
        for name; do echo "$name" > "name $name"; done
    """
    step = kept.step("step", script, *NAMES)
    step["requirements"] = {"InlineJavascriptRequirement": {}}
    step["outputs"] = {
        "tree": {"type": "Directory", "outputBinding": {"glob": "d d"}},
        "listed": {"type": "Directory", "outputBinding": {"glob": "d d/sub", "loadListing": "deep_listing"}},
        "main": {
            "type": "File",
            "format": "http://edamontology.org/format_2330",
            "secondaryFiles": ".idx",
            "outputBinding": {"glob": "main.txt"},
        },
        "none": {"type": "File", "outputBinding": {"glob": "none"}},
        "missing": {"type": "File?", "outputBinding": {"glob": "no such file"}},
        "program": {"type": "File", "outputBinding": {"glob": "program"}},
        "names": {"type": "File[]", "outputBinding": {"glob": "name *"}},
        "number": {"type": "int", "outputBinding": {"outputEval": "$(6 * 7)"}},
        "out": {"type": "stdout"},
    }
    return step


def test_all_that_a_step_can_make_comes_back(kept: Kept) -> None:
    step, cwl, seen = everything(kept), kept.cwl, {}
    for name, options in (("plain", ()), ("one", cwl.options), ("two", cwl.options)):
        cwl.outdir, cwl.options = cwl.place / name, options
        seen[name] = placeless(cwl(step).output, cwl.outdir)
    assert kept.ran() == ["step", "step"]
    assert sorted(item["basename"] for item in seen["plain"]["names"]) == sorted(
        f"name {name}" for name in NAMES
    )
    assert len(seen["plain"]["main"]["secondaryFiles"]) == 1
    assert seen["one"] == seen["two"] == seen["plain"]
    assert tree(cwl.place / "one") == tree(cwl.place / "two") == tree(cwl.place / "plain")


def test_results_may_be_put_where_they_were(kept: Kept) -> None:
    step = everything(kept)
    seen = [contents(kept.cwl(step).output) for _ in range(3)]
    assert seen[0] == seen[1] == seen[2]
    assert (kept.cwl.outdir / "d d" / "link").read_text() == "deep\n"
    assert [name for name in os.listdir(kept.cwl.outdir) if name.startswith(".")] == []
    assert kept.ran() == ["step"]


def test_literals(kept: Kept) -> None:
    """Files and directories that expressions make, which are nowhere before a step needs them."""
    code = """${
        var file = {class: "File", basename: "literal", contents: inputs.word};
        return {made: {class: "Directory", basename: "top", listing: [file]}};
    }"""
    make = {
        "class": "ExpressionTool",
        "inputs": {"word": "string"},
        "outputs": {"made": "Directory"},
        "expression": code,
    }
    read = kept.step("step", 'cat "$1/literal"', inputs={"made": {"type": "Directory", "inputBinding": {}}})
    document = {
        "class": "Workflow",
        "requirements": {"InlineJavascriptRequirement": {}},
        "inputs": {"word": "string"},
        "outputs": {
            "out": {"type": "File", "outputSource": "read/out"},
            "made": {"type": "Directory", "outputSource": "make/made"},
        },
        "steps": {
            "make": {"run": make, "in": {"word": "word"}, "out": ["made"]},
            "read": {"run": read, "in": {"made": "make/made"}, "out": ["out"]},
        },
    }
    for word in ("one", "one", "other", "one"):
        assert kept.cwl(document, {"word": word}).text() == word
        assert (kept.cwl.outdir / "top" / "literal").read_text() == word
    assert kept.ran() == ["step", "step"]


def test_an_input_that_changes_meanwhile(kept: Kept) -> None:
    inputs = text_input(kept, "as it was\n")
    step = kept.step("step", f"echo changed > '{kept.cwl.place}/text.txt'; cat", inputs={"text": "File"})
    step["stdin"] = "$(inputs.text.path)"
    assert "changed while it ran" in kept.cwl(step, inputs).stderr
    assert kept.json("ls") == []


def test_cwl_output_json(kept: Kept) -> None:
    output = {"out": {"class": "File", "path": "sub/made"}, "word": "from the tool"}
    script = f"mkdir sub; echo x > sub/made; echo '{json.dumps(output)}' > cwl.output.json"
    step = kept.step("step", script)
    step["outputs"] = {"out": "File", "word": "string"}
    first = kept.cwl(step).output
    assert kept.cwl(step).output == first
    assert (kept.ran(), first["word"]) == (["step"], "from the tool")


def test_what_was_only_passed_on_is_kept_apart_from_its_source(kept: Kept) -> None:
    listing = {"InitialWorkDirRequirement": {"listing": ["$(inputs.text)"]}}
    step = kept.step("step", "true", inputs={"text": "File"}, requirements=listing)
    step["outputs"] = {"out": {"type": "File", "outputBinding": {"glob": "text.txt"}}}
    inputs = text_input(kept, "as it was\n")
    kept.cwl(step, inputs)
    source = kept.cwl.place / "text.txt"
    assert source.read_text() == "as it was\n"
    source.write_text("as it is\n")
    assert kept.cwl(step, inputs).text() == "as it is\n"
    source.write_text("as it was\n")
    assert kept.cwl(step, inputs).text() == "as it was\n"
    assert kept.ran() == ["step", "step"]


def test_results_may_be_edited(kept: Kept) -> None:
    document, inputs = chain(kept, THREE), text_input(kept)
    for _ in range(2):
        made = Path(kept.cwl(document, inputs).output["out"]["path"])
        with made.open("a") as file:
            file.write("edited")
        made.chmod(0o600)
    assert kept.cwl(document, inputs).text() == "2\n"
    assert kept.ran() == sorted(THREE)


def test_the_same_step_in_the_same_run(kept: Kept) -> None:
    step = kept.step("step", 'echo "$1"', inputs={"word": {"type": "string", "inputBinding": {}}})
    document = {
        "class": "Workflow",
        "requirements": {"ScatterFeatureRequirement": {}},
        "inputs": {"words": "string[]"},
        "outputs": {"out": {"type": "File[]", "outputSource": "each/out"}},
        "steps": {"each": {"run": step, "scatter": "word", "in": {"word": "words"}, "out": ["out"]}},
    }
    words = ["a", "b", "a", "a", "c d"]
    for _ in range(2):
        made = kept.cwl(document, {"words": words}).output["out"]
        assert [Path(item["path"]).read_text() for item in made] == [f"{word}\n" for word in words]
    assert set(kept.ran()) == {"step"}
    assert len(kept.json("ls")) == 3


def test_a_step_that_sees_its_own_directories_is_the_same_in_each_run(kept: Kept) -> None:
    step = kept.step("step", 'test -d "$1" && test -d "$2" && test "$HOME" = "$1"')
    step["arguments"] = ["$(runtime.outdir)", "$(runtime.tmpdir)"]
    assert [kept.cwl(step).status, kept.cwl(step).status] == [0, 0]
    assert kept.ran() == ["step"]


def test_what_a_step_may_use_counts_only_where_it_is_asked_for(kept: Kept) -> None:
    def step(cores: int, value: str) -> dict[str, Any]:
        number = {"type": "int", "outputBinding": {"outputEval": value}}
        resources = {"ResourceRequirement": {"coresMin": cores}}
        return kept.step(
            "step", "true", requirements=resources, outputs={"double": number}, inputs={"number": "int"}
        )

    kept.cwl(step(1, "$(inputs.number)"), {"number": 7})
    assert kept.cwl(step(2, "$(inputs.number)"), {"number": 7}).output == {"double": 7}
    assert kept.ran() == ["step"]
    kept.cwl(step(1, "$(runtime.cores)"), {"number": 7})
    assert kept.cwl(step(2, "$(runtime.cores)"), {"number": 7}).output == {"double": 2}
    assert kept.ran() == ["step", "step"]


def test_secrets_are_not_kept(kept: Kept) -> None:
    step = kept.step(
        "step", 'printf "%s" "$1" | wc -c', inputs={"key": {"type": "string", "inputBinding": {}}}
    )
    step["hints"] = {"cwltool:Secrets": {"secrets": ["key"]}}
    step["$namespaces"] = {"cwltool": "http://commonwl.org/cwltool#"}
    for _ in range(2):
        assert kept.cwl(step, {"key": "correct horse battery"}, "--enable-ext").text() == "21\n"
    assert kept.ran() == ["step", "step"]
    assert kept.json("ls") == []
    assert "secret" in kept.command("why", "document.cwl").stdout
    written = [
        path for top in (kept.path, kept.cwl.place / "own") for path in top.rglob("*") if path.is_file()
    ]
    assert written
    assert [path for path in written if b"correct horse" in path.read_bytes()] == []


def test_variables_of_the_user_are_not_written_down(kept: Kept) -> None:
    step = kept.step("step", 'test -n "$TOKEN"')
    for token in ("one-credential", "one-credential", "other-credential"):
        assert kept.cwl(step, {}, "--preserve-environment", "TOKEN", TOKEN=token).status == 0
    assert kept.ran() == ["step", "step"]
    assert [path for path in kept.path.rglob("*.json") if b"credential" in path.read_bytes()] == []


def test_another_image_is_another_step(kept: Kept, image_archive: Path, tmp_path: Path) -> None:
    store = Store(str(tmp_path / "store"))
    kept.cwl.environ["DODAS_STORE"] = store.root
    with tarfile.open(image_archive) as archive:
        (member,) = (one for one in archive if one.name.endswith("/layer.tar"))
        layer = archive.extractfile(member)
        assert layer is not None
        content = layer.read()
    for greeting in ("one", "other"):
        add(store, IMAGE, content, Env=["PATH=/bin", f"GREETING={greeting}"])
        answers = [kept.cwl.run_containers(shell('echo "$GREETING"')) for _ in range(2)]
        assert [started(answer) for answer in answers] == [["document.cwl"], []]
        assert answers[1].text() == f"{greeting}\n"
    assert len(kept.json("ls")) == 2
    add(store, IMAGE, content, Env=["PATH=/bin", "GREETING=third"])
    kept.cwl.run_containers(shell('echo "$GREETING"'))
    (differs,) = kept.differs("document.cwl")
    assert differs.startswith("image digest: was sha256:")


def test_an_image_that_nobody_knows_is_no_reason_to_fail_here(kept: Kept) -> None:
    step = host_tool("true", requirements={"DockerRequirement": {"dockerPull": "localhost:1/no/such:image"}})
    answer = kept.cwl.run_containers(step, {}, "--disable-pull")
    assert answer.status == 1
    assert "which digest" in kept.command("why", "document.cwl").stdout


def test_where_files_are_changed_in_place_nothing_is_kept(kept: Kept) -> None:
    change = {"InplaceUpdateRequirement": {"inplaceUpdate": True}}
    listing = {"InitialWorkDirRequirement": {"listing": [{"entry": "$(inputs.text)", "writable": True}]}}
    step = kept.step(
        "step", "echo more >> text.txt", inputs={"text": "File"}, requirements={**change, **listing}
    )
    step["outputs"] = {"out": {"type": "File", "outputBinding": {"glob": "text.txt"}}}
    inputs = text_input(kept, "a\nb\n")
    for count in (3, 4):
        assert len(kept.cwl(step, inputs, "--enable-ext").text().splitlines()) == count
    assert kept.json("ls") == []


def test_cachedir_is_another_name(kept: Kept) -> None:
    kept.cwl.options = ("--cachedir", str(kept.path))
    step = kept.step("step", "echo x")
    assert [kept.cwl(step).text(), kept.cwl(step).text()] == ["x\n", "x\n"]
    assert kept.ran() == ["step"]
    assert kept.cwl(step, {}, "--cache", "x").status == 1
    refused = kept.cwl(step, {}, "--leave-outputs")
    assert (refused.status, "--leave-outputs" in refused.stderr) == (1, True)


def test_the_directory_of_ones_own(kept: Kept) -> None:
    kept.cwl.options = ("--cache", "default")
    step = host_tool("echo", "x")
    kept.cwl(step)
    assert "reused 1 of 1 step " in kept.cwl(step).stderr
    assert (kept.cwl.place / "own" / "steps" / "entries").is_dir()


def test_steps_in_containers(kept: Kept) -> None:
    step = shell('cat "$1"; cat note; pwd', inputs={"text": {"type": "File", "inputBinding": {}}})
    step["baseCommand"].append("sh")
    note = {"entryname": "note", "entry": "noted\n"}
    step["requirements"]["InitialWorkDirRequirement"] = {"listing": [note]}
    inputs = text_input(kept, "text\n")
    first = kept.cwl.run_containers(step, inputs)
    assert first.text() == "text\nnoted\n/var/spool/cwl\n"
    second = kept.cwl.run_containers(step, inputs)
    assert (started(first), started(second)) == (["document.cwl"], [])
    assert second.output == first.output
    note["entry"] = "noted again\n"
    assert kept.cwl.run_containers(step, inputs).text() == "text\nnoted again\n/var/spool/cwl\n"
    assert kept.differs("document.cwl") == [
        "initial working directory, item 1, contents: was 'noted\\n', is 'noted again\\n'"
    ]
