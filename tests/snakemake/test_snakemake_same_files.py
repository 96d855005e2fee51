"""One workflow with all kinds of rules makes the same files as with Snakemake's own local execution."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from snakemake_runs import Done, Workflow, make_workflow

SNAKEFILE = r"""
import os, shlex, shutil

HOSTILE = ["a b", "quo'te", 'dou"ble', "-dash", "semi;colon", "per%cent", "dollar$HOME", "ünïcödé",
           "back\\slash", "star*", "tab\there", "#hash", "=x"]
BLOCKS = ["quo'te", "$HOME", "star*"]  # each is a second Snakemake for the local executor
OUTPUTS = ["script.txt", "wrapper.txt", "logged.txt", "protected.txt", "shadow.txt",
           "shadow-script.txt", "run.txt", "grouped.txt", "piped.txt", "local.txt", "touched", "checked.txt",
           "environment.txt", "threads.txt", "sh.txt", "kept.txt", "benched.txt", "long.txt", "updated.txt",
           "dir", "repeats.txt", "params.txt", "bash.txt", "template.txt", "yte.txt", "handed-over.txt",
           "client.txt", "shadow-full.txt", "shadow-copy.txt", "ensured.txt", "retried.txt", "cached.txt",
           "given.txt", "sizes.txt", "mixed.txt", "named.txt", "own.txt", "ran.txt"]
ENSURED = "5139551fe04565deba9ac34f76022e7052a1a07410d0c7dd874932af685bf629"
# Languages, where they are installed.  Nodes of a pool of this host have another /usr.
LANGUAGES = [name for name in ("Rscript", "julia", "rust-script") if shutil.which(name)]
OUTPUTS += [f"{name}.txt" for name in LANGUAGES if "ON_A_POOL" not in os.environ]
OUTPUTS += ["notebook.txt"] if shutil.which("jupyter-nbconvert") else []

localrules: local

envvars: "DECLARED"

resource_scopes: licence="local", slots="global"

rule all:
    input: OUTPUTS, expand("hostile/{name}.txt", name=HOSTILE), expand("block/{name}.txt", name=BLOCKS)

rule hostile:
    output: "hostile/{name}.txt"
    params: value=lambda wildcards: wildcards.name
    shell: "printf %s {params.value:q} > {output:q}"

rule script:
    input: "hostile/a b.txt"
    output: "script.txt"
    params: numbers=[1, 2], table={"a": None}
    threads: 2
    script: "scripts/note.py"

rule wrapper:
    input: x="script.txt"
    output: "wrapper.txt"
    wrapper: "file:" + os.path.join(workflow.basedir, "wrapper")

rule logged:
    output: "logged.txt"
    log: out="logs/logged.log"
    shell: "echo to the log > {log.out}; echo done > {output}"

rule protected:
    output: protected("protected.txt")
    shell: "echo x > {output}"

rule shadow:
    input: "logged.txt"
    output: "shadow.txt"
    shadow: "minimal"
    shell: "touch {output}; ls -d * | sort > {output}; echo rubbish > left-over"

rule shadow_script:
    input: "logged.txt"
    output: "shadow-script.txt"
    shadow: "shallow"
    script: "scripts/rubbish.py"

rule run:
    output: "run.txt"
    run:
        shell("echo one > {output}")
        shell("echo two >> {output}")

rule first:
    output: temp("first.txt")
    group: "pair"
    shell: "echo first > {output}"

rule grouped:
    input: "first.txt"
    output: "grouped.txt"
    group: "pair"
    shell: "cat {input} > {output}; echo second >> {output}"

rule source:
    output: pipe("pipe")
    shell: "echo through the pipe > {output}"

rule piped:
    input: "pipe"
    output: "piped.txt"
    shell: "cat {input} > {output}"

rule local:
    output: "local.txt"
    shell: "echo local > {output}"

rule touched:
    output: touch("touched")
    shell: "true"

checkpoint split:
    output: directory("parts")
    shell: "mkdir {output}; for i in 1 2 3; do echo $i > {output}/$i.txt; done"

rule part:
    input: "parts/{i}.txt"
    output: temp("doubled/{i}.txt")
    shell: "cat {input} {input} > {output}"

def doubled(wildcards):
    found = glob_wildcards(os.path.join(checkpoints.split.get().output[0], "{i}.txt")).i
    return expand("doubled/{i}.txt", i=sorted(found))

rule checked:
    input: doubled
    output: "checked.txt"
    shell: "cat {input} > {output}"

rule environment:
    output: "environment.txt"
    shell: "echo $DECLARED $TMPDIR $TMP {resources.tmpdir} $OMP_NUM_THREADS > {output}"

rule threads:
    output: "threads.txt"
    threads: 2
    shell: "echo {threads} $MKL_NUM_THREADS > {output}"

rule sh:
    output: "sh.txt"
    resources: shell_exec="sh"
    shell: "false | true; echo $0 $- > {output}"

rule kept:
    input: "wrapper.txt"
    output: keep="kept.txt", more=temp("more.txt")
    shell: "cat {input} | tee {output.keep} > {output.more}"

rule benched:
    output: "benched.txt"
    benchmark: "bench/once.tsv"
    shell: "echo x > {output}"

rule repeats:
    output: "repeats.txt"
    benchmark: repeat("bench/thrice.tsv", 3)
    shell: "echo {bench_iteration} >> all-repeats.txt; cp all-repeats.txt {output}"

rule long:
    output: "long.txt"
    params: words=" ".join(map(str, range(30000)))
    shell: "echo {params.words} > {output}"

rule updated:
    input: "logged.txt"
    output: update("updated.txt")
    shell: "echo more >> {output}"

rule directory:
    output: directory("dir")
    shell: "mkdir -p {output}/deep; echo x > {output}/deep/file"

rule params:
    output: "params.txt"
    params: place=lambda wildcards, resources: resources.tmpdir, n=lambda wildcards, threads: threads,
            lines="new\nline 'quoted'", empty=""
    threads: 2
    shell: "printf '%s|' {params.place} {params.n} {params.lines:q} {params.empty:q} > {output}"

rule block:
    output: "block/{name}.txt"
    run:
        with open(output[0], "w") as out:
            print(wildcards.name, os.getcwd(), file=out)

rule bash:
    output: "bash.txt"
    params: word="a 'word'"
    script: "scripts/note.sh"

rule Rscript:
    output: "Rscript.txt"
    script: "scripts/note.R"

rule julia:
    output: "julia.txt"
    script: "scripts/note.jl"

rule rust:
    output: "rust-script.txt"
    script: "scripts/note.rs"

rule notebook:
    output: "notebook.txt"
    notebook: "scripts/note.py.ipynb"

rule template:
    input: "scripts/template.j2"
    output: "template.txt"
    params: words=["one", "two"]
    template_engine: "jinja2"

rule yte:
    input: "scripts/template.yaml"
    output: "yte.txt"
    params: words=["one", "two"]
    template_engine: "yte"

rule handed_over:
    output: "handed-over.txt"
    handover: True
    shell: "echo $TMPDIR > {output}"

rule server:
    output: service("served")
    shell: "echo served > {output}; sleep 3600"

rule client:
    input: "served"
    output: "client.txt"
    shell: "cat {input} > {output}"

rule shadow_full:
    input: "logged.txt"
    output: "shadow-full.txt"
    shadow: "full"
    shell: "cat {input} scripts/helper.py > {output}; echo rubbish > left-over"

rule shadow_copy:
    input: "logged.txt"
    output: "shadow-copy.txt"
    shadow: "copy-minimal"
    shell: "echo more >> {input}; cat {input} > {output}"

rule ensured:
    output: ensure("ensured.txt", non_empty=True, sha256=ENSURED)
    shell: "echo ensured > {output}"

rule retried:
    output: "retried.txt"
    retries: 2
    resources: tries=lambda wildcards, attempt: attempt
    shell: "test {resources.tries} = 3; echo {resources.tries} > {output}"

rule cached:
    output: "cached.txt"
    cache: True
    shell: "echo cached > {output}"

rule given:
    output: "given.txt"
    resources: licence=1, slots=1
    shell: "echo {resources.word} {resources.licence} {resources.slots} > {output}"

rule made:
    output: temp("made.txt")
    group: "sized"
    shell: "head -c 3000000 /dev/zero > {output}"

rule sizes:
    input: "made.txt"
    output: "sizes.txt"
    group: "sized"
    params: size=lambda wildcards, input: os.path.getsize(input[0])
    resources: big=lambda wildcards, input: int(input.size_mb)
    shell: "echo {params.size} {resources.big} $TMPDIR > {output}"

rule unmixed:
    output: "unmixed.txt"
    group: "mixed"
    shell: "echo unmixed > {output}"

rule mixed:
    input: "unmixed.txt"
    output: "mixed.txt"
    group: "mixed"
    run:
        shell("cat {input} > {output}")

rule named:
    input: single="logged.txt", several=["run.txt", "sh.txt"]
    output: one="named.txt", two=temp("second.txt")
    log: first="logs/first.log", second="logs/second.log"
    conda: "wrapper/environment.yaml"
    envmodules: "no/such"
    shell: "cat {input.several[0]} {input.single} > {output.one}; cp {output.one} {output.two}; touch {log}"

rule own:
    output: "own.txt"
    resources: tmpdir="own tmp"
    shell: "echo $TMPDIR {resources.tmpdir:q} > {output}; echo > \"$TMPDIR/left\""

rule ran:
    input: "wrapper.txt", "scripts/helper.py"
    output: "ran.txt"
    log: "logs/ran.log"
    threads: 2
    resources: tmpdir="own tmp"
    shadow: "minimal"
    benchmark: "bench/ran.tsv"
    run:
        shell("echo $DECLARED $OMP_NUM_THREADS {threads} {resources.tmpdir:q} $TMPDIR > {output}")
        shell("ls -d * > {log}")
"""

NOTE = """
from importlib import import_module
import helper
with open(snakemake.output[0], "w") as out:
    print(open(snakemake.input[0]).read(), snakemake.params.numbers, snakemake.params.table, helper.WORD,
          snakemake.threads, snakemake.rule, __file__, file=out)
"""

# Words that end a list of values of an option come last.
OPTIONS = ("--cache", "--benchmark-extended", "--default-resources", "word='word'")

BASH = r"""
echo "${snakemake_params[word]}" "${snakemake[rule]}" "$OMP_NUM_THREADS" > "${snakemake_output[0]}"
"""

R = """
cat(snakemake@rule, file = snakemake@output[[1]])
"""

JULIA = """
write(snakemake.output[1], snakemake.rule)
"""

RUST = """
use std::io::Write;
let mut out = std::fs::File::create(&snakemake.output[0])?;
write!(out, "{}", snakemake.rule)?;
"""

NOTEBOOK = {
    "nbformat": 4,
    "nbformat_minor": 5,
    "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
    "cells": [
        {
            "cell_type": "code",
            "id": "one",
            "execution_count": None,
            "metadata": {},
            "outputs": [],
            "source": "print(snakemake.rule, file=open(snakemake.output[0], 'w'))",
        }
    ],
}

RUBBISH = """
open("rubbish", "w").close()
with open(snakemake.output[0], "w") as out:
    out.write(open(snakemake.input[0]).read())
"""

WRAPPER = """
from snakemake.shell import shell
shell("cat {snakemake.input.x} > {snakemake.output[0]}")
shell("echo wrapped $OMP_NUM_THREADS >> {snakemake.output[0]}")
"""


def prepare(path: Path) -> Workflow:
    made = make_workflow(path)
    made.write("Snakefile", SNAKEFILE)
    made.write("scripts/note.py", NOTE)
    made.write("scripts/helper.py", "WORD = 'helped'\n")
    made.write("scripts/rubbish.py", RUBBISH)
    made.write("wrapper/wrapper.py", WRAPPER)
    made.write("wrapper/environment.yaml", "dependencies: []\n")
    made.write("updated.txt", "before\n")
    made.write("scripts/note.sh", BASH)
    made.write("scripts/note.R", R)
    made.write("scripts/note.jl", JULIA)
    made.write("scripts/note.rs", RUST)
    made.write("scripts/note.py.ipynb", json.dumps(NOTEBOOK))
    made.write("scripts/template.j2", "{% for word in params.words %}{{ word }}-{{ rule }}\n{% endfor %}")
    made.write("scripts/template.yaml", "?for word in params.words:\n  - ?word\n")
    (made.path / "own tmp").mkdir()
    made.env["SNAKEMAKE_OUTPUT_CACHE"] = str(path.parent / "kept")
    (path.parent / "kept").mkdir()
    made.env["DECLARED"] = "a 'declared' value"
    return made


@pytest.fixture(scope="module", params=["here", "pool with a shared disk"])
def ours(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    on_pool: Callable[[Workflow, str], Workflow],
) -> tuple[Workflow, Done]:
    made = prepare(tmp_path_factory.mktemp("ours") / "run")
    if request.param != "here":
        if sys.base_prefix.startswith("/usr"):
            pytest.skip("nodes of a pool of this host have another /usr, and this Python is there")
        made = on_pool(made, "shared")
        made.env["ON_A_POOL"] = "1"
    return made, made.run(*OPTIONS)


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Workflow:
    made = prepare(tmp_path_factory.mktemp("local") / "run")
    done = made.run(*OPTIONS, executor="local")
    if "snakemake/issues/823" in done.said:  # its own scheduler may lose a job that is tried again
        done = made.run(*OPTIONS, executor="local")
    assert done.code == 0, done.said
    return made


def test_everything_is_made(ours: tuple[Workflow, Done]) -> None:
    assert ours[1].code == 0, ours[1].said


def test_the_files_are_those_of_local_execution(ours: tuple[Workflow, Done], local: Workflow) -> None:
    mine, theirs = ours[0].files(), local.files()
    if "ON_A_POOL" in ours[0].env:
        for name in ("Rscript", "julia", "rust-script"):
            theirs.pop(f"{name}.txt", None)
    # Its script has an absolute path in it, and benchmarks hold times.
    places = {str(ours[0].path).encode(): b"HERE", str(local.path).encode(): b"HERE"}
    for tree in (mine, theirs):
        for name in [name for name in tree if name.startswith("bench/")]:
            tree[name] = tree[name].splitlines()[0]
        for place, word in places.items():
            tree.update({name: content.replace(place, word) for name, content in tree.items()})
    assert mine == theirs


def test_a_second_run_finds_nothing_to_do(ours: tuple[Workflow, Done]) -> None:
    assert "Nothing to be done" in ours[0].run().said


def test_benchmarks_hold_what_was_measured(ours: tuple[Workflow, Done]) -> None:
    header, *rows = ours[0].read("bench/thrice.tsv").splitlines()
    assert header.split("\t")[:3] == ["s", "h:m:s", "max_rss"]
    assert len(rows) == 3
    for row in rows:
        seconds, _, rss, *_ = row.split("\t")
        assert float(seconds) >= 0
        assert float(rss) > 0
    assert len(ours[0].read("bench/once.tsv").splitlines()) == 2


@pytest.mark.parametrize("executor", ["local", "dodas"])
def test_benchmarks_tell_the_sizes_of_memory(workflow: Workflow, executor: str) -> None:
    """Of all processes: here one with 100 MB that it shares with a child, which changes a half of them."""
    workflow.write(
        "Snakefile",
        """
rule one:
    output: "one"
    benchmark: "one.tsv"
    shell: "python {input} && echo > {output}"
""".replace("{input}", "use.py"),
    )
    workflow.write(
        "use.py",
        """
import os, time
held = bytearray(100_000_000)
held[::4096] = bytes(len(held[::4096]))
if not (child := os.fork()):
    held[:50_000_000:4096] = bytes(len(held[:50_000_000:4096]))
    time.sleep(2.5)
    os._exit(0)
os.waitpid(child, 0)
""",
    )
    done = workflow.run(executor=executor)
    assert done.code == 0, done.said
    header, row = (line.split("\t") for line in workflow.read("one.tsv").splitlines())
    found = {name: float(value) for name, value in zip(header, row, strict=True) if name.startswith("max_")}
    alone, twice = 100_000_000 / (1 << 20), 200_000_000 / (1 << 20)
    assert 1.0 * alone < found["max_uss"] < 1.2 * alone
    assert 1.5 * alone < found["max_pss"] < 1.75 * alone
    assert twice < found["max_rss"] < 1.2 * twice
    assert found["max_rss"] < found["max_vms"] < 20 * twice


def test_nothing_but_logs_with_words_in_them_is_left(ours: tuple[Workflow, Done]) -> None:
    place = ours[0].path / ".snakemake"
    assert all(log.stat().st_size for log in ours[0].logs())
    assert not list((place / "scripts").iterdir())
    assert not list(place.glob("shell_tmp.*"))
    assert not list((place / "incomplete").iterdir())
    assert not list((place / "shadow").iterdir())


def test_the_run_ends_with_a_summary(ours: tuple[Workflow, Done]) -> None:
    line = next(line for line in ours[1].said.splitlines() if line.startswith("dodas: "))
    assert " steps, 2 failed; " in line  # the attempts of one that has retries
