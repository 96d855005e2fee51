"""Research objects of runs whose steps run at the same time."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from cwl_records import Documents
from cwlcases import IMAGE, Cwl, host_tool, shell
from dodas.containers.store import Store, lookup
from servers.apache import Apache

FORMATS = {"xml", "provn", "json", "ttl", "nt", "jsonld"}
SECRETS = {
    "$namespaces": {"cwltool": "http://commonwl.org/cwltool#"},
    "hints": {"cwltool:Secrets": {"secrets": ["password"]}},
}


def reader(script: str, *inputs: str, **fields: Any) -> dict[str, Any]:
    """Return a tool that runs a script on files."""
    found = host_tool("sh", "-c", script, "sh", **fields)
    found["inputs"] = {name: {"type": "File", "inputBinding": {}} for name in inputs}
    return found


def workflow(steps: dict[str, Any], inputs: dict[str, Any], **outputs: str) -> dict[str, Any]:
    return {
        "class": "Workflow",
        "requirements": {
            "ScatterFeatureRequirement": {},
            "SubworkflowFeatureRequirement": {},
            "InlineJavascriptRequirement": {},
            "StepInputExpressionRequirement": {},
        },
        "inputs": inputs,
        "outputs": {name: {"type": "Any?", "outputSource": source} for name, source in outputs.items()},
        "steps": steps,
    }


def files(cwl: Cwl, count: int, name: str = "in {} grün #1 100%.txt") -> list[dict[str, str]]:
    """Make files, with names that are none of the easy ones."""
    found = []
    for number in range(count):
        path = cwl.place / name.format(number)
        path.write_text(f"content {number}\n")
        found.append({"class": "File", "path": str(path)})
    return found


def two_steps() -> dict[str, Any]:
    join = host_tool("cat")
    join["inputs"] = {
        "parts": {"type": "File[]", "inputBinding": {}},
        "word": {"type": "string", "default": "x"},
    }
    return workflow(
        {
            "upper": {
                "run": reader('tr a-z A-Z < "$1"', "part"),
                "scatter": "part",
                "in": {"part": "parts"},
                "out": ["out"],
            },
            "join": {"run": join, "in": {"parts": "upper/out"}, "out": ["out"]},
        },
        {"parts": "File[]"},
        all="join/out",
    )


def test_the_same_is_recorded_as_by_cwltool_in_turn(cwl: Cwl) -> None:
    inputs = {"parts": files(cwl, 5, "in {}.txt")}  # of others cwltool cannot tell
    words = cwl.words(two_steps(), inputs, "--no-container", "--provenance", str(cwl.place / "ours"))
    assert cwl.run(*words).status == 0
    words[words.index(str(cwl.place / "ours"))] = str(cwl.place / "theirs")
    words[words.index(str(cwl.outdir))] = str(cwl.place / "their outputs")
    command = [str(Path(sys.executable).with_name("cwltool")), "--relax-path-checks", *words]
    subprocess.run(command, check=True, capture_output=True, cwd=cwl.place, env=cwl.environ)
    ours, theirs = Documents(cwl.place / "ours"), Documents(cwl.place / "theirs")
    assert ours.activities() == theirs.activities()
    assert len(ours.activities()) == 1 + 5 + 1
    assert ours.contents() == theirs.contents()
    for relation in ("used", "wasGeneratedBy"):
        assert ours.roles(relation) == theirs.roles(relation)
    for relation in ("wasStartedBy", "wasEndedBy", "wasAssociatedWith", "activity", "agent", "hadMember"):
        assert len(ours.primary[relation]) == len(theirs.primary[relation])
    for path in ("workflow/packed.cwl", "snapshot/document.cwl"):
        assert (ours.place / path).read_bytes() == (theirs.place / path).read_bytes()
    for path in ("workflow/primary-job.json", "workflow/primary-output.json"):
        assert plain(ours.place / path) == plain(theirs.place / path)
    aggregates = [
        Counter(":" in str(one["uri"]) for one in found.manifest()["aggregates"]) for found in (ours, theirs)
    ]
    assert aggregates[0] == aggregates[1]


def plain(path: Path) -> Any:
    """Return a document without what differs from run to run."""

    def bare(value: Any) -> Any:
        if isinstance(value, dict):
            return {
                key: bare(item) for key, item in value.items() if key not in ("@id", "nameroot", "nameext")
            }
        return [bare(item) for item in value] if isinstance(value, list) else value

    return bare(json.loads(path.read_text()))


def test_fifty_steps_at_a_time(cwl: Cwl) -> None:
    inputs = {"parts": files(cwl, 50)}
    answer = cwl(two_steps(), inputs, "--provenance", "ro", "--cores", "8")
    assert answer.output["all"]["size"] > 50
    found = Documents(cwl.place / "ro")
    assert len(found.activities()) == 1 + 50 + 1
    assert set(found.activities()) >= {"main", "main/join", "main/upper", "main/upper_50"}
    assert "@id" not in answer.stdout
    names = {path.suffix[1:] for path in (cwl.place / "ro/metadata/provenance").iterdir()}
    assert names == FORMATS
    assert cwl.left() == []


def test_when_where_and_how_a_step_ran(cwl: Cwl, image_store: Path) -> None:
    document = workflow(
        {"nap": {"run": shell("sleep 0.3; exit 3", successCodes=[3]), "in": {}, "out": ["out"]}},
        {},
        x="nap/out",
    )
    assert cwl.run_containers(document, {}, "--provenance", "ro").status == 0
    facts = Documents(cwl.place / "ro").facts("main/nap")
    assert facts["cwlprov:exitCode"] == {"$": 3, "type": "xsd:int"} or facts["cwlprov:exitCode"] == 3
    assert facts["cwlprov:hostname"] == os.uname().nodename
    assert facts["cwlprov:status"] == "success"
    assert 0.3 <= seconds(facts) < 30
    image = lookup(Store(str(image_store)), IMAGE)
    assert image is not None
    (container,) = [agent for agent in facts["agents"] if "cwlprov:image" in agent]
    assert container["cwlprov:image"] == IMAGE
    assert container["plan"] == f"sha256:{image.digest.removeprefix('sha256:')}"


def seconds(facts: dict[str, Any]) -> float:
    from datetime import datetime

    ends = [datetime.fromisoformat(facts[name]) for name in ("started", "ended")]
    return (ends[1] - ends[0]).total_seconds()


def test_workflows_in_steps_have_a_document_for_each_run(cwl: Cwl) -> None:
    inner = workflow(
        {
            "upper": {"run": reader('tr a-z A-Z < "$1"', "part"), "in": {"part": "part"}, "out": ["out"]},
            "count": {"run": reader('wc -l < "$1"', "part"), "in": {"part": "upper/out"}, "out": ["out"]},
        },
        {"part": "File"},
        out="count/out",
    )
    total = {
        "class": "ExpressionTool",
        "inputs": {"parts": "Any"},
        "outputs": {"number": "int"},
        "expression": "$({number: inputs.parts.length})",
    }
    document = workflow(
        {
            "each": {"run": inner, "scatter": "part", "in": {"part": "parts"}, "out": ["out"]},
            "sum": {"run": total, "in": {"parts": "each/out"}, "out": ["number"]},
            "never": {
                "run": reader('cat "$1"', "part"),
                "when": "$(false)",
                "in": {"part": {"source": "parts", "valueFrom": "$(self[0])"}},
                "out": ["out"],
            },
        },
        {"parts": "File[]"},
        number="sum/number",
        nothing="never/out",
    )
    assert cwl(document, {"parts": files(cwl, 3)}, "--provenance", "ro").output == {
        "number": 3,
        "nothing": None,
    }
    found = Documents(cwl.place / "ro")
    assert len(found.documents) == 1 + 3
    assert found.activities(found.primary) == ["main", "main/each", "main/each", "main/each", "main/sum"]
    for name, nested in found.documents.items():
        if name.startswith("workflow"):
            labels = [label.partition("_")[0] for label in found.activities(nested)]
            assert labels == ["main", "main/count", "main/upper"]
            assert "wf:main/part" in found.roles("used", nested)
    assert found.roles("used") == ["wf:main/parts", "wf:main/sum/parts"]


def test_a_loop(cwl: Cwl) -> None:
    add = {
        "class": "CommandLineTool",
        "baseCommand": ["sh", "-c", "echo $(($1 + 1))", "sh"],
        "inputs": {"n": {"type": "int", "inputBinding": {}}},
        "outputs": {
            "n": {
                "type": "int",
                "outputBinding": {
                    "glob": "out.txt",
                    "loadContents": True,
                    "outputEval": "$(parseInt(self[0].contents))",
                },
            }
        },
        "stdout": "out.txt",
    }
    document = workflow(
        {
            "add": {
                "run": add,
                "in": {"n": "n"},
                "out": ["n"],
                "when": "$(inputs.n < 3)",
                "loop": {"n": "n"},
                "outputMethod": "last_iteration",
            }
        },
        {"n": "int"},
        n="add/n",
    )
    document["cwlVersion"] = "v1.3.0-dev1"
    answer = cwl(document, {"n": 0}, "--enable-dev", "--provenance", "ro")
    assert answer.output == {"n": 3}
    assert Documents(cwl.place / "ro").activities() == ["main", "main/add", "main/add_2", "main/add_3"]


def test_directories_literals_and_files_beside_others(cwl: Cwl) -> None:
    top = cwl.place / "top"
    (top / "inner").mkdir(parents=True)
    (top / "inner" / "a:b.txt").write_text("inside")
    main = cwl.place / "x.bam"
    main.write_text("main")
    (cwl.place / "x.bam.bai").write_text("index")
    tool = host_tool("sh", "-c", 'cp -r "$1" made; cat "$2" "$2.bai" "$3"', "sh")
    tool["inputs"] = {
        "top": {"type": "Directory", "inputBinding": {"position": 1}},
        "main": {"type": "File", "secondaryFiles": [".bai"], "inputBinding": {"position": 2}},
        "literal": {"type": "File", "inputBinding": {"position": 3}},
        "record": {"type": {"type": "record", "fields": {"a": "int", "b": "string?"}}},
    }
    tool["outputs"]["made"] = {"type": "Directory", "outputBinding": {"glob": "made"}}
    inputs = {
        "top": {"class": "Directory", "path": str(top)},
        "main": {
            "class": "File",
            "path": str(main),
            "secondaryFiles": [{"class": "File", "path": f"{main}.bai"}],
        },
        "literal": {"class": "File", "basename": "l", "contents": "of no file"},
        "record": {"a": 1, "b": None},
    }
    step = {"run": tool, "in": {name: name for name in inputs}, "out": ["out", "made"]}
    document = workflow({"one": step}, dict.fromkeys(inputs, "Any"), out="one/out", made="one/made")
    answer = cwl(document, inputs, "--provenance", "ro")
    assert answer.text() == "mainindexof no file"
    assert "not in the research object" not in answer.stderr
    found = Documents(cwl.place / "ro")
    for text in ("inside", "main", "index", "of no file", "mainindexof no file"):
        assert any(path.read_text() == text for path in (cwl.place / "ro/data").rglob("*/*"))
    assert found.roles("used").count("wf:main/one/top") == 1


def test_one_tool_alone(cwl: Cwl) -> None:
    answer = cwl(reader('cat "$1"', "part"), {"part": files(cwl, 1)[0]}, "--provenance", "ro")
    assert answer.text() == "content 0\n"
    found = Documents(cwl.place / "ro")
    assert found.activities() == ["main"]
    assert found.facts("main")["cwlprov:exitCode"] in (0, {"$": 0, "type": "xsd:int"})
    assert set(found.roles("wasGeneratedBy")) == {"wf:main/document.cwl/out", "wf:main/primary/out"}


@pytest.mark.parametrize("on_error", ["stop", "continue"])
def test_a_run_that_fails_leaves_what_there_is(cwl: Cwl, on_error: str) -> None:
    inner = workflow(
        {"bad": {"run": reader("exit 7", "part"), "in": {"part": "part"}, "out": ["out"]}},
        {"part": "File"},
        out="bad/out",
    )
    document = workflow(
        {
            "good": {"run": reader('cat "$1"', "part"), "in": {"part": "part"}, "out": ["out"]},
            "deep": {"run": inner, "in": {"part": "good/out"}, "out": ["out"]},
            "after": {"run": reader('cat "$1"', "part"), "in": {"part": "deep/out"}, "out": ["out"]},
        },
        {"part": "File"},
        out="after/out",
    )
    inputs = {"part": files(cwl, 1)[0]}
    answer = cwl(document, inputs, "--on-error", on_error, "--provenance", "ro")
    assert answer.status == 1
    found = Documents(cwl.place / "ro")
    assert found.activities() == ["main", "main/bad", "main/deep", "main/good"]
    bad = found.facts("main/bad")
    assert bad["cwlprov:status"] == "permanentFail"
    assert bad["cwlprov:exitCode"] in (7, {"$": 7, "type": "xsd:int"})
    assert len(found.documents) == 2


def test_a_run_that_is_ended(cwl: Cwl) -> None:
    document = workflow(
        {
            "first": {"run": host_tool("echo", "hello"), "in": {}, "out": ["out"]},
            "long": {"run": reader("sleep 600", "part"), "in": {"part": "first/out"}, "out": ["out"]},
        },
        {},
        out="long/out",
    )
    run = cwl.start(document, "--provenance", "ro")
    assert run.stderr is not None
    for line in run.stderr:
        if "started" in line and "long" in line:
            break
    run.send_signal(signal.SIGTERM)
    run.communicate(timeout=60)
    assert run.returncode == 128 + signal.SIGTERM
    assert set(Documents(cwl.place / "ro").activities()) >= {"main", "main/first"}


def test_secrets_are_nowhere(cwl: Cwl) -> None:
    tool = host_tool(
        "sh",
        "-c",
        'cat secret.txt > copy.txt; echo "$1"; echo done >&2',
        "sh",
        "$(inputs.password)",
        requirements={
            "InitialWorkDirRequirement": {
                "listing": [{"entryname": "secret.txt", "entry": "it is $(inputs.password)"}]
            }
        },
        **SECRETS,
    )
    tool["baseCommand"], tool["arguments"] = tool["baseCommand"][:-1], ["$(inputs.password)"]
    tool["inputs"] = {"password": "string", "plain": "string"}
    tool["outputs"]["copy"] = {"type": "File", "outputBinding": {"glob": "copy.txt"}}
    tool["outputs"]["text"] = {
        "type": "string",
        "outputBinding": {"glob": "out.txt", "loadContents": True, "outputEval": "$(self[0].contents)"},
    }
    tool["requirements"]["InlineJavascriptRequirement"] = {}
    options = ("--no-container", "--enable-ext", "--debug", "--provenance", "ro", "--rocrate", "crate")
    values = ("--plain", "seen", "--password", "hunter2-hunter2")
    answer = cwl.run(*options, str(cwl.write("document.cwl", tool)), *values)
    assert answer.status == 0, answer.stderr
    assert "hunter2-hunter2" in answer.stdout  # the tool's own doing
    found = Documents(cwl.place / "ro")
    assert "seen" in found.everything()
    assert "hunter2" not in found.everything()
    assert "there is a secret in it" in answer.stderr
    crate = [path for path in (cwl.place / "crate").rglob("*") if path.is_file()]
    assert [path for path in crate if b"hunter2" in path.read_bytes()] == []


def test_inputs_are_not_changed_by_being_recorded(cwl: Cwl) -> None:
    tool = host_tool("sh", "-c", 'echo "$1"', "sh")
    tool["requirements"] = {"InlineJavascriptRequirement": {}}
    tool["inputs"] = {"record": "Any", "part": "File"}
    tool["arguments"] = [
        "$(Object.keys(inputs.record).join(' ') + Object.keys(inputs.part).sort().join(' '))"
    ]
    step = {"run": tool, "in": {"record": "record", "part": "first/out"}, "out": ["out"]}
    document = workflow(
        {"first": {"run": host_tool("echo"), "in": {}, "out": ["out"]}, "second": step},
        {"record": "Any"},
        out="second/out",
    )
    without = cwl(document, {"record": {"a": 1}}).text()
    with_it = cwl(document, {"record": {"a": 1}}, "--provenance", "ro")
    assert with_it.text() == without
    assert "@id" not in without
    # What is in the research object stays as it was, whatever becomes of the outputs.
    path = Path(with_it.output["out"]["path"])
    path.chmod(0o600)
    with path.open("a") as file:
        file.write("changed")
    Documents(cwl.place / "ro")


def test_who_ran_it(cwl: Cwl) -> None:
    options = ("--full-name", "Josiah Carberry", "--orcid", "0000-0002-1825-0097", "--enable-user-provenance")
    assert cwl(host_tool("echo"), {}, *options, "--enable-host-provenance", "--provenance", "ro").status == 0
    found = Documents(cwl.place / "ro")
    assert "https://orcid.org/0000-0002-1825-0097" in found.everything()
    assert found.manifest()["authoredBy"]["name"] == "Josiah Carberry"
    assert "Contact-Name: Josiah Carberry" in (cwl.place / "ro/bag-info.txt").read_text()
    assert cwl(host_tool("echo"), {}, "--disable-user-provenance", "--provenance", "ro").status == 0
    assert "Carberry" not in Documents(cwl.place / "ro").everything()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--provenance", "."), "outputs"),
        (("--provenance", "full"), "other things"),
        (("--rocrate", "full"), "other things"),
        (("--provenance", "results"), "outputs"),
        (("--provenance", "new", "--rocrate", "new/inner"), "each other's way"),
        (("--provenance", "new", "--no-compute-checksum"), "checksums"),
        (("--provenance", "new", "--orcid", "0000-0002-1825-0098"), "ORCID"),
    ],
)
def test_what_cannot_be(cwl: Cwl, options: tuple[str, ...], words: str) -> None:
    full = cwl.place / "full"
    full.mkdir()
    (full / "precious").write_text("mine")
    answer = cwl(host_tool("echo"), {}, *options)
    assert answer.status == 1
    assert words in answer.stderr
    assert (full / "precious").read_text() == "mine"
    assert not (cwl.place / "new").exists()


def test_results_of_earlier_runs_are_recorded(cwl: Cwl) -> None:
    inputs = {"parts": files(cwl, 3)}
    options = ("--cache", str(cwl.place / "kept"), "--provenance", "ro")
    first = cwl(two_steps(), inputs, *options)
    one = Documents(cwl.place / "ro")
    second = cwl(two_steps(), inputs, *options, "--rocrate", "crate")
    assert "reused 4 of 4 steps" in second.stderr
    assert second.output == first.output
    two = Documents(cwl.place / "ro")
    assert two.activities() == one.activities()
    assert two.contents() == one.contents()
    assert two.roles("used") == one.roles("used")
    assert two.facts("main/join")["cwlprov:reused"]
    third = cwl(two_steps(), inputs, *options)  # recording has not damaged what was kept
    assert "reused 4 of 4 steps" in third.stderr
    without = cwl(two_steps(), inputs, "--cache", str(cwl.place / "kept"))
    assert "reused 4 of 4 steps" in without.stderr


def numbered(script: str, count: int) -> dict[str, Any]:
    """Return a workflow that runs a script in containers, once for each number, and joins what they say."""
    one = shell(script, arguments=["sh"])
    one["baseCommand"] = [*one["baseCommand"], "sh"]
    one["inputs"] = {"number": {"type": "int", "inputBinding": {}}}
    del one["arguments"]
    join = host_tool("cat", requirements={"DockerRequirement": {"dockerPull": IMAGE}})
    join["inputs"] = {"parts": {"type": "File[]", "inputBinding": {}}}
    each = {"run": one, "scatter": "number", "in": {"number": "numbers"}, "out": ["out"]}
    return workflow(
        {"each": each, "join": {"run": join, "in": {"parts": "each/out"}, "out": ["out"]}},
        {"numbers": {"type": "int[]", "default": list(range(count))}},
        out="join/out",
    )


def test_files_on_storage_are_not_fetched_for_the_record(cwl: Cwl, apache: Apache) -> None:
    (apache.root / "in put.txt").write_text("content\n")
    document = workflow(
        {"one": {"run": reader('tr a-z A-Z < "$1"', "part"), "in": {"part": "part"}, "out": ["out"]}},
        {"part": "File"},
        out="one/out",
        same="one/out",
    )
    part = {"class": "File", "location": apache.url("in%20put.txt") + "?authz=hidden"}
    options = ("--provenance", "ro", "--rocrate", "crate", "--outdir", apache.url("results/"))
    cwl.environ["DODAS_CACHE"] = str(cwl.place / "cache")
    answer = cwl(document, {"part": part}, *options)
    assert answer.output["out"]["location"].startswith(apache.url("results/"))
    fetched = [one.path for one in apache.requests() if one.method == "GET" and "put.txt" in one.path]
    assert len(fetched) == 1
    found = Documents(cwl.place / "ro")
    assert found.roles("used") == ["wf:main/one/part", "wf:main/part"]
    assert found.roles("wasGeneratedBy").count("wf:main/one/out") == 1
    assert "in%20put.txt" in found.everything()
    assert "hidden" not in found.everything()
    crate = (cwl.place / "crate" / "ro-crate-metadata.json").read_text()
    assert "in%20put.txt" in crate
    assert "hidden" not in crate


@pytest.mark.parametrize("disk", ["near", "far"])
def test_steps_on_a_pool(disk: str, request: pytest.FixtureRequest) -> None:
    cwl: Cwl = request.getfixturevalue(disk)
    answer = cwl.run_containers(numbered('sleep 0.2; echo "ran $1"', 6), {}, "--provenance", "ro")
    assert answer.text() == "".join(f"ran {number}\n" for number in range(6))
    found = Documents(cwl.place / "ro")
    assert len(found.activities()) == 1 + 6 + 1
    for label in ("main/each", "main/each_6"):
        facts = found.facts(label)
        assert facts["cwlprov:hostname"]
        (plan,) = [agent["plan"] for agent in facts["agents"] if "cwlprov:image" in agent]
        assert plan.startswith("sha256:")
        # That of the command on the node, without the way there and back.
        assert 0.2 <= seconds(facts) < 60
    assert cwl.runs_left() == []


def test_killed_and_started_again_all_steps_are_recorded(near: Cwl) -> None:
    log, go = near.place / "log", near.place / "go"
    script = f'echo "$1" >> {log}; test "$1" -lt 3 || while ! test -e {go}; do sleep 0.1; done; echo "ran $1"'
    document = numbered(script, 6)
    for step in document["steps"].values():
        del step["run"]["requirements"]["DockerRequirement"]
    options = ("--provenance", "ro", "--bundle", "off")
    run = near.start(document, *options)
    assert run.stderr is not None
    done = 0
    for line in run.stderr:
        done += " done " in line
        if done == 3:
            break
    run.kill()
    run.communicate()
    go.touch()
    answer = near(document, {}, *options)
    assert answer.text() == "".join(f"ran {number}\n" for number in range(6))
    assert sorted(log.read_text().split()) == [str(number) for number in range(6)]
    found = Documents(near.place / "ro")
    assert len(found.activities()) == 1 + 6 + 1
    for number in range(2, 7):
        facts = found.facts(f"main/each_{number}")
        assert facts["cwlprov:hostname"]
        assert "cwlprov:reused" not in facts
