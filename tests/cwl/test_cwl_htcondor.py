"""``dodas cwl --backend htcondor``: the same files as here, left and found again, and nothing left behind."""

from __future__ import annotations

import hashlib
import signal
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from condor_pool import Pools
from cwlcases import COMMAND, Cwl, host_tool, shell, tool

Pool = Callable[[str], tuple[Pools, str]]
HOSTILE = [
    "two words",
    "semi;colon, comma",
    'quo\'te "and" more',
    "colon:in:name",
    "grün-日本語-😀",
    "-rf",
    "$(reboot); `x` & y | z > w",
    "100% %s",
    "hash#mark",
    "back\\slash",
    "new\nline",
    "= +x, y = (1)",
    "x" * 180,
]


def content(top: Path) -> dict[str, str]:
    """Return what is below a directory: each directory, and the checksum of each file."""
    found = {}
    for path in top.rglob("*"):
        name = str(path.relative_to(top))
        found[name] = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "directory"
    return found


def file(path: Path, *secondary: Path) -> dict[str, Any]:
    """Return a File for an input object."""
    found: dict[str, Any] = {"class": "File", "location": path.as_uri()}
    return {**found, "secondaryFiles": [file(one) for one in secondary]} if secondary else found


def pipeline(place: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a workflow of 4 steps for each hostile name and 8 more, and its inputs."""
    (place / "in").mkdir()
    files = []
    for number, name in enumerate(HOSTILE):
        path, index = place / "in" / name, place / "in" / f"{name}.idx"
        path.write_text("".join(f"{name} {n * number % 7}\n" for n in range(20)))
        index.write_text(f"index of {name}")
        files.append(file(path, index))
    library = place / "library"
    (library / "sub" / "empty").mkdir(parents=True)
    (library / "sub" / "two words").write_text("from the library\n")
    (library / "nothing").touch()
    inputs = {"files": files, "library": {"class": "Directory", "location": library.as_uri()}}

    text = {"type": "File", "secondaryFiles": ".idx"}
    streams = shell(
        'sort; wc -l /dev/stdin < /dev/null >&2; cat "$1.idx" >&2',
        inputs={"text": {**text, "inputBinding": {}}},
    )
    streams["baseCommand"].append("sh")
    streams |= {"stdin": "$(inputs.text.path)", "stdout": "$(inputs.text.basename).sorted", "stderr": "words"}
    streams["outputs"]["err"] = {"type": "stderr"}
    unpack = shell(
        'mkdir -p "$2/deep er/empty"; cp "$1" "$2/deep er/"; : > "$2/none";'
        ' ln -s "deep er" "$2/link"; cp -r "$3" "$2/lib"',
        inputs={
            "text": {"type": "File", "inputBinding": {"position": 1}},
            "name": {"type": "string", "inputBinding": {"position": 2}},
            "library": {"type": "Directory", "inputBinding": {"position": 3}},
        },
    )
    unpack["baseCommand"].append("sh")
    unpack["outputs"] = {"made": {"type": "Directory", "outputBinding": {"glob": "dir *"}}}
    unpack["inputs"]["name"]["inputBinding"]["valueFrom"] = "$('dir ' + self)"
    unpack["requirements"]["InlineJavascriptRequirement"] = {}
    listing = shell(
        'cd "$1"; find . | sort; find . -type f -exec cat {} + | sort',
        inputs={"made": {"type": "Directory", "inputBinding": {}}},
    )
    listing["baseCommand"].append("sh")
    listing["requirements"]["InitialWorkDirRequirement"] = {
        "listing": [{"entryname": "note ü.txt", "entry": "made of $(inputs.made.basename)"}]
    }
    upper = shell("tr a-z A-Z; cat note.txt")
    upper["inputs"] = {"text": "File"}
    upper["stdin"] = "$(inputs.text.path)"
    upper["requirements"]["InitialWorkDirRequirement"] = {
        "listing": [{"entryname": "note.txt", "entry": "$(inputs.text)", "writable": True}]
    }
    inner = {
        "class": "Workflow",
        "inputs": {"made": "Directory"},
        "outputs": {"text": {"type": "File", "outputSource": "upper/out"}},
        "steps": {
            "listing": {"run": listing, "in": {"made": "made"}, "out": ["out"]},
            "upper": {"run": upper, "in": {"text": "listing/out"}, "out": ["out"]},
        },
    }
    join = tool("cat", inputs={"all": {"type": "File[]", "inputBinding": {}}})
    join["stdout"] = "joined.txt"
    count = tool(
        "wc",
        "-c",
        inputs={"text": {"type": "File"}, "way": "string"},
        stdin="$(inputs.text.path)",
        stdout="count $(inputs.way)",
    )
    steps: dict[str, Any] = {
        "streams": {"run": streams, "scatter": "text", "in": {"text": "files"}, "out": ["out", "err"]},
        "unpack": {
            "run": unpack,
            "scatter": ["text", "name"],
            "scatterMethod": "dotproduct",
            "in": {
                "text": "streams/out",
                "name": {"source": "files", "valueFrom": "$(self.basename)"},
                "library": "library",
            },
            "out": ["made"],
        },
        "inner": {"run": inner, "scatter": "made", "in": {"made": "unpack/made"}, "out": ["text"]},
        "join": {"run": join, "in": {"all": "inner/text"}, "out": ["out"]},
        "errors": {"run": {**join, "stdout": "errors.txt"}, "in": {"all": "streams/err"}, "out": ["out"]},
        "count": {
            "run": count,
            "scatter": "way",
            "in": {"text": "join/out", "way": {"default": list("abcdef")}},
            "out": ["out"],
        },
    }
    outputs = {
        "sorted": {"type": "File[]", "outputSource": "streams/out"},
        "words": {"type": "File", "outputSource": "errors/out"},
        "made": {"type": "Directory[]", "outputSource": "unpack/made"},
        "joined": {"type": "File", "outputSource": "join/out"},
        "counts": {"type": "File[]", "outputSource": "count/out"},
    }
    features = (
        "ScatterFeatureRequirement",
        "SubworkflowFeatureRequirement",
        "StepInputExpressionRequirement",
    )
    document = {
        "class": "Workflow",
        "requirements": {**{name: {} for name in features}, "InlineJavascriptRequirement": {}},
        "inputs": {
            "files": {"type": {"type": "array", "items": "File"}, "secondaryFiles": ".idx"},
            "library": "Directory",
        },
        "outputs": outputs,
        "steps": steps,
    }
    return document, inputs


def test_sixty_steps_make_the_same_files_as_here(cwl: Cwl, condor_pool: Pool) -> None:
    document, inputs = pipeline(cwl.place)
    here = cwl.run_containers(document, inputs, "--outdir", str(cwl.place / "here"))
    assert here.status == 0, here.stderr
    there = cwl.on(*condor_pool("far")).run_containers(document, inputs, "--outdir", str(cwl.place / "there"))
    assert there.status == 0, there.stderr
    assert "60 steps" in there.stderr
    made = content(cwl.place / "here")
    assert len(made) > 150
    assert content(cwl.place / "there") == made
    assert there.stdout.replace("/there/", "/here/") == here.stdout
    assert cwl.runs_left() == []
    assert cwl.left() == []


def numbered(script: str, count: int, make: Callable[..., dict[str, Any]] = tool) -> dict[str, Any]:
    """Return a workflow of ``count`` steps that run a script on their number, and one that joins them."""
    each = make("/bin/sh", "-c", script, "sh", inputs={"number": {"type": "int", "inputBinding": {}}})
    join = make("cat", inputs={"all": {"type": "File[]", "inputBinding": {}}}, stdout="all.txt")
    return {
        "class": "Workflow",
        "requirements": {"ScatterFeatureRequirement": {}},
        "inputs": {"numbers": {"type": "int[]", "default": list(range(count))}},
        "outputs": {"out": {"type": "File", "outputSource": "join/out"}},
        "steps": {
            "each": {"run": each, "scatter": "number", "in": {"number": "numbers"}, "out": ["out"]},
            "join": {"run": join, "in": {"all": "each/out"}, "out": ["out"]},
        },
    }


def start(cwl: Cwl, document: Any, *options: str) -> subprocess.Popen[str]:
    """Start a run; the words are those of :meth:`Cwl.run_containers`."""
    return subprocess.Popen(
        [*COMMAND, *cwl.words(document, {}, *options)],
        cwd=cwl.place,
        env=cwl.environ,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def kill_after(run: subprocess.Popen[str], *counts: tuple[str, int]) -> None:
    """Kill a run as soon as it has said each word as many times; read on until then."""
    said: Counter[str] = Counter()
    assert run.stderr is not None
    for line in run.stderr:
        said.update(word for word, _ in counts if f" {word} " in line)
        if all(said[word] >= count for word, count in counts):
            break
    run.kill()
    run.communicate()


@pytest.mark.parametrize("bundle", ["off", "auto"])
def test_killed_and_started_again_nothing_runs_twice(near: Cwl, bundle: str) -> None:
    log, go = near.place / "log", near.place / "go"
    # Each step notes that it ran; those from the third on wait until the run was killed.
    document = numbered(
        f"""
        echo "$1" >> {log}
        test "$1" -lt 3 || while ! test -e {go}; do sleep 0.1; done
        echo "ran $1"
        """,
        8,
        host_tool,
    )
    run = start(near, document, "--bundle", bundle)
    # Of steps that share a job only the first is said to start; what it has not begun it gives back.
    kill_after(run, ("done", 3), *([("started", 4)] if bundle == "off" else []))
    go.touch()
    answer = near.run_containers(document, {}, "--bundle", bundle)
    assert answer.text() == "".join(f"ran {number}\n" for number in range(8))
    assert "steps that are over: 3" in answer.stderr
    assert sorted(log.read_text().split()) == [str(number) for number in range(8)]
    assert near.runs_left() == []
    assert near.left() == []


def test_killed_and_started_again_without_a_shared_disk(far: Cwl) -> None:
    before = far.ran()
    script = 'test "$1" -lt 3 || sleep 3; mkdir d; ln -s out.txt link; echo "ran $1"'
    document = numbered(script, 8)
    run = start(far, document, "--bundle", "off")
    kill_after(run, ("done", 3), ("started", 4))
    answer = far.run_containers(document, {}, "--bundle", "off")
    assert answer.text() == "".join(f"ran {number}\n" for number in range(8))
    assert far.ran() - before == 9
    assert far.queued() == 0
    assert far.runs_left() == []


def test_killed_again_and_again(near: Cwl) -> None:
    log, go = near.place / "log", near.place / "go"
    script = f'echo "$1" >> {log}; while ! test -e {go}"$1"; do sleep 0.1; done; echo "ran $1"'
    document = numbered(script, 4, host_tool)
    for life in range(3):  # each sees the end of one step
        run = start(near, document, "--bundle", "off")
        (near.place / f"go{life}").touch()
        kill_after(run, ("done", 1))
    # A life in which the document cannot even be read changes nothing.
    words = near.words(document, {}, "--bundle", "off")
    near.write("document.cwl", {"class": "Workflow", "steps": 3})
    assert near.run(*words).status == 1
    assert near.runs_left() != []
    (near.place / "go3").touch()
    answer = near.run_containers(document, {}, "--bundle", "off")
    assert answer.text() == "".join(f"ran {number}\n" for number in range(4))
    assert sorted(log.read_text().split()) == ["0", "1", "2", "3"]
    assert near.runs_left() == []


def test_a_pool_that_does_not_answer_changes_nothing(near: Cwl) -> None:
    log, go = near.place / "log", near.place / "go"
    document = numbered(
        f"echo ran >> {log}; while ! test -e {go}; do sleep 0.1; done; echo done", 1, host_tool
    )
    run = start(near, document)
    kill_after(run, ("started", 1))
    collector = psutil.Process(near.pools.daemon(near.pool, "head", "condor_collector"))
    collector.suspend()
    try:
        answer = near.run_containers(document)
        assert answer.status == 1
        assert "does not answer" in answer.stderr
        assert "the same command again" in answer.stderr
    finally:
        collector.resume()
    go.touch()
    assert near.run_containers(document).text() == "done\n"
    assert log.read_text() == "ran\n"
    assert near.runs_left() == []


def test_what_was_changed_in_between_is_run_again(far: Cwl) -> None:
    before = far.ran()
    source = far.place / "number"
    source.write_text("1")
    count = shell('cat "$1"', inputs={"file": {"type": "File", "inputBinding": {}}})
    count["baseCommand"].append("sh")
    document = numbered('sleep 1; echo "ran $1"', 2)
    document["inputs"]["file"] = {"type": "File", "default": file(source)}
    document["steps"]["count"] = {"run": count, "in": {"file": "file"}, "out": ["out"]}
    document["outputs"]["count"] = {"type": "File", "outputSource": "count/out"}
    run = start(far, document, "--bundle", "off")
    kill_after(run, ("done", 3))
    source.write_text("two")
    answer = far.run_containers(document, {}, "--bundle", "off")
    assert answer.text("count") == "two"
    assert far.ran() - before in (4, 5)  # the count may have been the one that was not done yet


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_removes_the_jobs(far: Cwl, number: signal.Signals, status: int) -> None:
    run = start(far, numbered("sleep 300", 12), "--bundle", "off")
    assert run.stderr is not None
    next(line for line in run.stderr if " started " in line)
    run.send_signal(number)
    _, stderr = run.communicate(timeout=60)
    assert run.returncode == status, stderr
    assert far.queued() == 0
    assert far.runs_left() == []
    assert far.left() == []


def test_the_same_command_twice_at_a_time_is_refused(far: Cwl) -> None:
    document = numbered("sleep 300", 1)
    run = start(far, document)
    assert run.stderr is not None
    next(line for line in run.stderr if " started " in line)
    answer = far.run_containers(document)
    assert answer.status == 1
    assert "running already" in answer.stderr
    run.send_signal(signal.SIGINT)
    run.communicate(timeout=60)


@pytest.mark.parametrize("code", [0, 1])
def test_secrets_are_nowhere(far: Cwl, code: int) -> None:
    document = shell(
        f'cat secret.txt; echo "$WORD" | tr a-z A-Z; exit {code}',
        requirements={
            "EnvVarRequirement": {"envDef": {"WORD": "$(inputs.password)"}},
            "InitialWorkDirRequirement": {
                "listing": [{"entryname": "secret.txt", "entry": "it is $(inputs.password)"}]
            },
        },
    )
    document["$namespaces"] = {"cwltool": "http://commonwl.org/cwltool#"}
    document["hints"] = {"cwltool:Secrets": {"secrets": ["password"]}}
    document["inputs"] = {"password": "string"}
    answer = far.run_containers(document, {"password": "hunter2"}, "--enable-ext", "--debug")
    assert answer.status == code
    (out,) = [path for place in (far.outdir, far.pools.state) for path in place.rglob("out.txt")]
    assert out.read_text() == "it is hunter2HUNTER2\n"
    out.unlink()  # the tool's own doing
    assert "hunter2" not in answer.stderr
    assert "hunter2" not in str(far.ads())
    places = (far.pools.state, far.tmp)
    left = [path for place in places for path in place.rglob("*") if path.is_file() and not path.is_symlink()]
    assert [path for path in left if b"hunter2" in path.read_bytes()] == []


def test_hints_reach_the_job(far: Cwl) -> None:
    document = shell("echo fine", inputs={"deep": {"type": "int", "default": 3}})
    document["$namespaces"] = {"dodas": "https://w3id.org/dodas#"}
    document["hints"] = {
        "dodas:HTCondor": {
            "slotRequirements": 'Cpus >= 1 && Machine =!= "none"',
            "rank": "Mips",
            "accountingGroup": "cms.mine",
            "priority": 7,
            "concurrencyLimits": ["db:2", "net"],
            "attributes": {
                "Project": 'the "big"\\one for $5',
                "Deep": "$(inputs.deep)",
                "Public": True,
                "Macro": "\\$(x)",
            },
        }
    }
    given = ("--condor", '+Campaign="spring"', "--condor", '+Project="other"')
    answer = far.run_containers(document, {}, *given)
    assert answer.text() == "fine\n"
    code = "ad = next(iter(schedd.history('true', match=1))); print(ad['Requirements']); print(ad['Rank'])"
    requirements, rank = far.pools.python(far.pool, code).splitlines()
    assert 'Machine isnt "none"' in requirements
    assert "Mips" in rank
    ad = next(ad for ad in far.ads() if "Campaign" in ad)
    assert (ad["JobPrio"], ad["AcctGroup"], ad["Campaign"]) == (7, "cms.mine", "spring")
    assert ad["ConcurrencyLimits"].lower() == "db:2,net"
    assert (ad["Project"], ad["Macro"]) == ('the "big"\\one for $5', "$(x)")
    assert (ad["Deep"], ad["Public"]) == (3, True)


def test_a_failed_step_is_explained(far: Cwl) -> None:
    answer = far.run_containers(shell("echo it broke here >&2; echo half > result; exit 7"))
    assert answer.status == 1
    assert "exit status 7" in answer.stderr
    assert f"on {far.pool}-node" in answer.stderr
    (kept,) = far.pools.state.rglob("result")
    assert str(kept.parent) in answer.stderr
    (log,) = (path for path in far.pools.state.rglob("stderr") if path.read_text() == "it broke here\n")
    assert str(log) in answer.stderr
    logs = [*COMMAND[:-1], "logs", "document.cwl"]
    shown = subprocess.run(logs, env=far.environ, capture_output=True, text=True, check=True).stdout
    assert "it broke here" in shown
    assert far.run_containers(shell("true")).status == 0  # the same command, which begins anew
    assert not kept.exists()
    assert far.runs_left() == []


def test_steps_without_a_container(near: Cwl) -> None:
    assert near(host_tool("sh", "-c", "echo here > file; cat file")).text() == "here\n"


def test_steps_without_a_container_need_the_disk(far: Cwl) -> None:
    answer = far(host_tool("true"))
    assert answer.status == 1
    assert "--default-container" in answer.stderr


def test_a_pool_that_is_not_there(far: Cwl) -> None:
    answer = far.run_containers(tool("true"), {}, "--pool", "nosuch")
    assert answer.status == 1
    assert "nosuch" in answer.stderr
    assert far.runs_left() == []


def test_a_setting_that_makes_no_sense(far: Cwl) -> None:
    answer = far.run_containers(tool("true"), {}, "--condor", "nonsense")
    assert answer.status == 1
    assert "KEY=VALUE" in answer.stderr
    assert far.run_containers(tool("true"), {}, "--bundle", "many").status == 2
    assert far.runs_left() == []
