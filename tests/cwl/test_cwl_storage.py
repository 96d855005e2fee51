"""Workflows whose files are on a storage: fetched where steps run, published where they belong."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path
from typing import Any

import pytest

from cwlcases import COMMAND, Answer, Cwl, host_tool, tool
from dodas.staging import urls
from servers.apache import Apache
from servers.dynafed import Dynafed

NAMES = (
    "a b.txt",
    "100%.txt",
    "50%41.txt",
    "x#1.txt",
    "what?.txt",
    "a+b&c;d.txt",
    "grün-😀.txt",
    "quo'te\".txt",
)
JS: dict[str, dict[str, Any]] = {"InlineJavascriptRequirement": {}}


@pytest.fixture
def cwl(cwl: Cwl) -> Cwl:
    """Keep what is fetched in a directory of the test's own."""
    cwl.environ["DODAS_CACHE"] = str(cwl.place / "cache")
    return cwl


@pytest.fixture(params=["host", "container"])
def kind(request: pytest.FixtureRequest) -> str:
    """Where tools run."""
    return str(request.param)


@pytest.fixture
def cwl_run(cwl: Cwl, kind: str) -> Any:
    """Run a document on the host, or in containers."""
    return cwl if kind == "host" else cwl.run_containers


def make(kind: str, *words: str, **fields: Any) -> dict[str, Any]:
    """Return a tool that runs words on the host, or in a container."""
    return host_tool(*words, **fields) if kind == "host" else tool(*words, **fields)


def there(base: str, *names: str) -> str:
    """Return the URL of what is called so below a URL, percent-encoded."""
    return str(urls.join(urls.parse(base), "/".join(names)))


def file(location: str, **fields: Any) -> dict[str, Any]:
    """Return a File for an input object."""
    return {"class": "File", "location": location, **fields}


def gets(site: Apache, path: str = "") -> list[str]:
    """Return the paths that were fetched."""
    return [request.path for request in site.requests() if request.method == "GET" and path in request.path]


def sha1(content: str) -> str:
    return "sha1$" + hashlib.sha1(content.encode()).hexdigest()


def test_a_file_is_fetched_where_its_step_runs(cwl_run: Any, kind: str, apache: Apache) -> None:
    (apache.root / "in.txt").write_text("content\n")
    document = make(kind, "cat", inputs={"x": {"type": "File", "inputBinding": {}}})
    assert cwl_run(document, {"x": file(apache.url("in.txt"))}).text() == "content\n"
    assert len(gets(apache)) == 1


def test_names_and_sizes_are_known_without_fetching(cwl_run: Any, kind: str, apache: Apache) -> None:
    (apache.root / "in").mkdir()
    for name in NAMES:
        (apache.root / "in" / name).write_text("x" * len(name))
    document = make(
        kind,
        "printf",
        "%s\\n",
        inputs={"xs": "File[]"},
        arguments=["$(inputs.xs.map(function(x) {return x.basename + ' ' + x.size}))"],
    )
    document["requirements"] = {**document.get("requirements", {}), **JS}
    values = {"xs": [file(there(apache.url(), "in", name)) for name in NAMES]}
    lines = cwl_run(document, values).text().splitlines()
    assert lines == [f"{name} {len(name)}" for name in NAMES]


def test_content_is_fetched_for_expressions_that_want_it(cwl: Cwl, apache: Apache) -> None:
    for name in ("a", "b"):
        (apache.root / name).write_text(f"content of {name}")
    document = {
        "class": "ExpressionTool",
        "requirements": JS,
        "inputs": {"a": {"type": "File", "loadContents": True}, "b": "File"},
        "outputs": {"text": "string", "size": "long"},
        "expression": "${return {text: inputs.a.contents, size: inputs.b.size}}",
    }
    answer = cwl(document, {"a": file(apache.url("a")), "b": file(apache.url("b"))})
    assert answer.output == {"text": "content of a", "size": 12}
    assert gets(apache) == ["/a"]


def test_secondary_files_are_found_and_come_along(cwl_run: Any, kind: str, apache: Apache) -> None:
    for name in ("x.bam", "x.bam.bai", "x.dict"):
        (apache.root / name).write_text(name)
    port = {"type": "File", "secondaryFiles": [".bai", "^.dict", {"pattern": ".no", "required": False}]}
    script = 'cd $(dirname "$0"); cat x.bam.bai x.dict; ls'
    document = make(kind, "sh", "-c", script, inputs={"x": {**port, "inputBinding": {}}})
    text = cwl_run(document, {"x": file(apache.url("x.bam"))}).text()
    assert text == "x.bam.baix.dictx.bam\nx.bam.bai\nx.dict\n"


@pytest.mark.parametrize("listing", ["no_listing", "deep_listing"])
def test_directories_come_whole(cwl_run: Any, kind: str, apache: Apache, listing: str) -> None:
    (apache.root / "d/below").mkdir(parents=True)
    (apache.root / "d/a b").write_text("one\n")
    (apache.root / "d/below/c").write_text("two\n")
    port = {"type": "Directory", "loadListing": listing, "inputBinding": {}}
    document = make(kind, "sh", "-c", 'cat "$0/a b" "$0/below/c"; basename "$0"', inputs={"d": port})
    value = {"class": "Directory", "location": apache.url("d/")}
    assert cwl_run(document, {"d": value}).text() == "one\ntwo\nd\n"


def test_a_missing_file_fails_its_step_and_says_so(cwl_run: Any, kind: str, apache: Apache) -> None:
    document = make(kind, "cat", inputs={"x": {"type": "File", "inputBinding": {}}})
    answer = cwl_run(document, {"x": file(apache.url("missing"))})
    assert answer.status == 1
    assert apache.url("missing") in answer.stderr


def test_standard_input_comes_from_there(cwl_run: Any, kind: str, apache: Apache) -> None:
    (apache.root / "in.txt").write_text("content\n")
    document = make(kind, "cat", inputs={"x": "File"}, stdin="$(inputs.x.path)")
    assert cwl_run(document, {"x": file(apache.url("in.txt"))}).text() == "content\n"


def test_a_working_directory_made_of_what_is_there(cwl_run: Any, kind: str, apache: Apache) -> None:
    for name in ("fixed", "mine"):
        (apache.root / name).write_text(f"{name}\n")
    work = [
        {"entry": "$(inputs.fixed)", "entryname": "fixed.txt"},
        {"entry": "$(inputs.mine)", "entryname": "mine.txt", "writable": True},
    ]
    document = make(
        kind,
        "sh",
        "-c",
        "cat fixed.txt >> mine.txt",
        inputs={"fixed": "File", "mine": "File"},
        outputs={
            "mine": {"type": "File", "outputBinding": {"glob": "mine.txt"}},
            "fixed": {"type": "File", "outputBinding": {"glob": "fixed.txt"}},
        },
    )
    del document["stdout"]
    document["requirements"] = {
        **document.get("requirements", {}),
        "InitialWorkDirRequirement": {"listing": work},
    }
    output = cwl_run(document, {name: file(apache.url(name)) for name in ("fixed", "mine")}).output
    assert Path(output["mine"]["path"]).read_text() == "mine\nfixed\n"
    assert output["fixed"]["location"] == apache.url("fixed")
    assert (apache.root / "mine").read_text() == "mine\n"


def test_a_link_to_an_input_is_that_input(cwl_run: Any, kind: str, apache: Apache) -> None:
    (apache.root / "d").mkdir()
    (apache.root / "d/x y").write_text("x")
    ports = {"x": "File", "d": "Directory"}
    script = 'ln -s "$0" one; ln -s "$1/x y" two'
    document = make(
        kind, "sh", "-c", script, inputs=ports, arguments=["$(inputs.x.path)", "$(inputs.d.path)"]
    )
    document["outputs"] = {name: {"type": "File", "outputBinding": {"glob": name}} for name in ("one", "two")}
    del document["stdout"]
    there = apache.url("d/x%20y")
    values = {"x": file(there), "d": {"class": "Directory", "location": apache.url("d")}}
    output = cwl_run(document, values).output
    assert {one["location"] for one in output.values()} == {there}
    assert [one["size"] for one in output.values()] == [1, 1]


def test_many_files_of_a_directory_are_not_asked_for_one_by_one(cwl: Cwl, apache: Apache) -> None:
    for number in range(50):
        (apache.root / f"{number}.txt").write_text("x" * number)
    document = {
        "class": "ExpressionTool",
        "requirements": JS,
        "inputs": {"xs": "File[]"},
        "outputs": {"size": "long"},
        "expression": "${return {size: inputs.xs.reduce(function(a, x) {return a + x.size}, 0)}}",
    }
    values = {"xs": [file(apache.url(f"{number}.txt")) for number in range(50)]}
    assert cwl(document, values).output == {"size": sum(range(50))}
    assert len(apache.requests()) < 15


def test_outputs_are_published(cwl_run: Any, kind: str, cwl: Cwl, apache: Apache) -> None:
    script = (
        "echo one > 'a b#1.txt'; echo idx > 'a b#1.txt.idx'; mkdir -p d/e; echo two > d/e/f; mkdir d/none"
    )
    document = make(kind, "sh", "-c", script)
    document["outputs"] = {
        "file": {"type": "File", "secondaryFiles": ".idx", "outputBinding": {"glob": "a b#1.txt"}},
        "directory": {"type": "Directory", "outputBinding": {"glob": "d"}},
    }
    del document["stdout"]
    base = apache.url("results/of run")
    cwl.outdir = base  # type: ignore[assignment]  # a word of the command line
    output = cwl_run(document).output
    found, index = output["file"], output["file"]["secondaryFiles"][0]
    assert found["location"] == there(base, "a b#1.txt")
    assert (found["checksum"], found["size"]) == (sha1("one\n"), 4)
    assert index["location"] == there(base, "a b#1.txt.idx")
    assert output["directory"]["location"] == there(base, "d")
    top = apache.root / "results/of run"
    assert (top / "a b#1.txt").read_text() == "one\n"
    assert (top / "d/e/f").read_text() == "two\n"
    assert (top / "d/none").is_dir()
    assert "path" not in found
    assert cwl.left() == []


def test_outputs_of_the_same_name_do_not_meet(cwl: Cwl, apache: Apache) -> None:
    one = host_tool("echo", inputs={"word": {"type": "string", "inputBinding": {}}})
    document = {
        "class": "Workflow",
        "requirements": {"ScatterFeatureRequirement": {}},
        "inputs": {"words": "string[]"},
        "outputs": {"outs": {"type": "File[]", "outputSource": "echo/out"}},
        "steps": {"echo": {"run": one, "in": {"word": "words"}, "scatter": "word", "out": ["out"]}},
    }
    cwl.outdir = apache.url("out")  # type: ignore[assignment]
    output = cwl(document, {"words": ["a", "b", "c"]}).output
    names = ["out.txt", "out.txt_2", "out.txt_3"]
    assert [found["location"] for found in output["outs"]] == [apache.url(f"out/{name}") for name in names]
    assert sorted((apache.root / "out" / name).read_text() for name in names) == ["a\n", "b\n", "c\n"]


PASSED = {
    "class": "ExpressionTool",
    "requirements": JS,
    "inputs": {"x": "File"},
    "outputs": {"x": "File", "text": "File"},
    "expression": "${return {x: inputs.x, text: {class: 'File', basename: 'text', contents: 'literal'}}}",
}


def test_what_is_only_passed_on_stays_where_it_is(cwl: Cwl, apache: Apache) -> None:
    (apache.root / "big").write_text("content")
    output = cwl(PASSED, {"x": file(apache.url("big"))}).output
    assert (output["x"]["location"], output["x"]["size"]) == (apache.url("big"), 7)
    assert Path(output["text"]["path"]).read_text() == "literal"
    assert gets(apache) == []


def test_what_is_only_passed_on_is_copied_to_where_outputs_go(cwl: Cwl, apache: Apache) -> None:
    (apache.root / "big").write_text("content")
    cwl.outdir = apache.url("out")  # type: ignore[assignment]
    output = cwl(PASSED, {"x": file(apache.url("big"))}).output
    assert output["x"]["location"] == apache.url("out/big")
    assert (apache.root / "out/big").read_text() == "content"
    assert (apache.root / "out/text").read_text() == "literal"


def workflow() -> dict[str, Any]:
    """Return a workflow of three steps, one of which is scattered."""
    upper = tool(
        "tr", "a-z", "A-Z", inputs={"x": "File"}, stdin="$(inputs.x.path)", stdout="$(inputs.x.basename).up"
    )
    count = tool("wc", "-c", inputs={"xs": {"type": "File[]", "inputBinding": {}}}, stdout="count.txt")
    return {
        "class": "Workflow",
        "requirements": {"ScatterFeatureRequirement": {}},
        "inputs": {"xs": "File[]"},
        "outputs": {
            "ups": {"type": "File[]", "outputSource": "upper/out"},
            "count": {"type": "File", "outputSource": "count/out"},
        },
        "steps": {
            "upper": {"run": upper, "in": {"x": "xs"}, "scatter": "x", "out": ["out"]},
            "count": {"run": count, "in": {"xs": "upper/out"}, "out": ["out"]},
        },
    }


def outcome(answer: Answer) -> dict[str, Any]:
    """Return names, sizes and checksums of all outputs."""
    output = answer.output
    found = [*output["ups"], output["count"]]
    return {one["basename"]: (one["size"], one["checksum"]) for one in found}


def on_disk(site: Any, location: str) -> Path:
    """Return where the file at a URL is."""
    path = location.removeprefix(site.url())
    found = [Path(endpoint.root) / urls.decoded(path) for endpoint in site.endpoints]
    return next(one for one in found if one.exists())


@pytest.mark.parametrize("place", ["local", "far"])
def test_a_workflow_behind_a_federation_of_which_a_site_is_down(
    cwl: Cwl, dynafed: Dynafed, place: str, request: pytest.FixtureRequest
) -> None:
    runner = cwl if place == "local" else cwl.on(*request.getfixturevalue("condor_pool")("far"))
    for endpoint in dynafed.endpoints[:2]:
        for number in range(3):
            (Path(endpoint.root) / f"in {number}.txt").write_text(f"content {number}\n")
    dynafed.behaviour.writes_to = (1, 2)
    dynafed.sites[0].stop()
    runner.outdir = dynafed.url("results")  # type: ignore[assignment]
    values = {"xs": [file(dynafed.url(f"in%20{number}.txt")) for number in range(3)]}
    answer = runner.run_containers(workflow(), values)
    expected = {f"in {number}.txt.up": (10, sha1(f"CONTENT {number}\n")) for number in range(3)}
    assert {name: one for name, one in outcome(answer).items() if name != "count.txt"} == expected
    for number, one in enumerate(answer.output["ups"]):
        assert on_disk(dynafed, one["location"]).read_text() == f"CONTENT {number}\n"
    assert "30 total" in on_disk(dynafed, answer.output["count"]["location"]).read_text()
    if place == "local":
        assert answer.output["count"]["location"] == dynafed.url("results/count.txt")


@pytest.fixture
def far(cwl: Cwl, condor_pool: Any, apache: Apache) -> Cwl:
    """Run steps on nodes that see nothing of this machine's disk, and publish what they make."""
    runner = cwl.on(*condor_pool("far"))
    runner.outdir = apache.url("results")  # type: ignore[assignment]
    return runner


def test_nodes_exchange_files_through_the_storage(far: Cwl, apache: Apache) -> None:
    make = tool(
        "sh", "-c", "mkdir -p d/e; echo x > d/e/f; echo main > a.txt; echo idx > a.txt.idx; echo 7 > n"
    )
    del make["stdout"]
    number = {"glob": "n", "loadContents": True, "outputEval": "$(parseInt(self[0].contents))"}
    make["outputs"] = {
        "a": {"type": "File", "secondaryFiles": ".idx", "outputBinding": {"glob": "a.txt"}},
        "d": {"type": "Directory", "outputBinding": {"glob": "d"}},
        "n": {"type": "int", "outputBinding": number},
    }
    make["requirements"].update(JS)
    ports = {"a": {"type": "File", "secondaryFiles": ".idx"}, "d": "Directory", "n": "int"}
    script = 'cat "$0" "$0.idx" "$1/e/f"; echo $2'
    arguments = ["$(inputs.a.path)", "$(inputs.d.path)", "$(inputs.n)"]
    use = tool("sh", "-c", script, inputs=ports, arguments=arguments)
    document = {
        "class": "Workflow",
        "inputs": {},
        "outputs": {
            "out": {"type": "File", "outputSource": "use/out"},
            "d": {"type": "Directory", "outputSource": "make/d"},
        },
        "steps": {
            "make": {"run": make, "in": {}, "out": ["a", "d", "n"]},
            "use": {"run": use, "in": {name: f"make/{name}" for name in ports}, "out": ["out"]},
        },
    }
    output = far.run_containers(document).output
    text = "main\nidx\nx\n7\n"
    assert (output["out"]["size"], output["out"]["checksum"]) == (len(text), sha1(text))
    places = {
        name: apache.root / output[name]["location"].removeprefix(apache.url()) for name in ("out", "d")
    }
    assert places["out"].read_text() == text
    assert (places["d"] / "e/f").read_text() == "x\n"
    left = sorted(path.name for path in (apache.root / "results").rglob("*") if path.is_file())
    assert left == ["f", "out.txt"]
    assert far.queued() == 0
    assert far.runs_left() == []


def test_a_killed_run_goes_on_with_what_is_on_the_storage(far: Cwl, apache: Apache) -> None:
    first = tool("sh", "-c", "echo made > a; echo rest > b", outputs={"a": {"type": "File"}})
    first["outputs"]["a"]["outputBinding"] = {"glob": "a"}
    del first["stdout"]
    second = tool("cat", inputs={"a": {"type": "File", "inputBinding": {}}})
    document = {
        "class": "Workflow",
        "inputs": {},
        "outputs": {"out": {"type": "File", "outputSource": "second/out"}},
        "steps": {
            "first": {"run": first, "in": {}, "out": ["a"]},
            "second": {"run": second, "in": {"a": "first/a"}, "out": ["out"]},
        },
    }
    before = far.ran()
    words = [*COMMAND, *far.words(document, {})]
    with subprocess.Popen(words, cwd=far.place, env=far.environ, stderr=subprocess.PIPE, text=True) as run:
        assert run.stderr is not None
        assert any("done" in line and "first" in line for line in run.stderr)
        run.kill()
    output = far.run_containers(document, {}).output
    assert (output["out"]["size"], output["out"]["checksum"]) == (5, sha1("made\n"))
    assert far.ran() - before == 2
    assert [path.name for path in (apache.root / "results").rglob("*") if path.is_file()] == ["out.txt"]
    assert far.queued() == 0


def test_a_file_with_a_secret_is_on_no_storage(far: Cwl, apache: Apache) -> None:
    document = tool("sh", "-c", "wc -c < secret.txt", inputs={"word": "string"})
    document["$namespaces"] = {"cwltool": "http://commonwl.org/cwltool#"}
    document["hints"] = {"cwltool:Secrets": {"secrets": ["word"]}}
    entry = {"entryname": "secret.txt", "entry": "$(inputs.word)"}
    document["requirements"]["InitialWorkDirRequirement"] = {"listing": [entry]}
    output = far.run_containers(document, {"word": "hidden"}, "--enable-ext").output
    assert output["out"]["location"] == apache.url("results/out.txt")
    assert (apache.root / "results/out.txt").read_text().strip() == "6"
    written = {request.path for request in apache.requests() if request.method == "PUT"}
    assert not any("secret" in path for path in written)


def test_names_may_be_written_as_they_are(cwl: Cwl, apache: Apache) -> None:
    names = ["a b.txt", "100%.txt", "x#1.txt", "what?.txt", "a+b&c;d.txt", "grün-😀.txt"]
    for name in names:
        (apache.root / name).write_text(name)
    base = apache.url().replace("http", "dav", 1)
    document = host_tool("cat", inputs={"xs": {"type": "File[]", "inputBinding": {}}}, requirements=JS)
    document["outputs"]["names"] = {
        "type": "string[]",
        "outputBinding": {"outputEval": "$(inputs.xs.map(function(x) {return x.basename}))"},
    }
    output = cwl(document, {"xs": [file(base + name) for name in names]}).output
    assert output["names"] == names
    assert Path(output["out"]["path"]).read_text() == "".join(names)


def test_a_storage_that_is_away_fails_its_steps_alone(cwl: Cwl, apache: Apache) -> None:
    one = host_tool("cat", inputs={"x": {"type": "File", "inputBinding": {}}})
    other = host_tool("echo", "fine")
    document = {
        "class": "Workflow",
        "inputs": {"x": "File", "y": "File"},
        "outputs": {
            "bad": {"type": "File", "outputSource": "bad/out"},
            "good": {"type": "File", "outputSource": "good/out"},
        },
        "steps": {
            "good": {"run": other, "in": {}, "out": ["out"]},
            "bad": {"run": one, "in": {"x": "x"}, "out": ["out"]},
        },
    }
    apache.stop()
    values = {name: file(apache.url(name)) for name in ("x", "y")}
    answer = cwl(document, values, "--on-error", "continue", DODAS_STORAGE_ATTEMPTS="1")
    assert answer.status == 1
    assert f"step bad failed: {apache.url('x')}" in answer.stderr
    assert "done      good" in answer.stderr
