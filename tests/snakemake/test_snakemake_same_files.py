"""One workflow with all kinds of rules makes the same files as with Snakemake's own local execution."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from snakemake_runs import Done, Workflow, make_workflow

SNAKEFILE = r"""
import os, shlex

HOSTILE = ["a b", "quo'te", 'dou"ble', "-dash", "semi;colon", "per%cent", "dollar$HOME", "ünïcödé",
           "back\\slash", "star*", "tab\there", "#hash", "=x"]
OUTPUTS = ["script.txt", "wrapper.txt", "logged.txt", "protected.txt", "shadow.txt",
           "shadow-script.txt", "run.txt", "grouped.txt", "piped.txt", "local.txt", "touched", "checked.txt",
           "environment.txt", "threads.txt", "sh.txt", "kept.txt", "benched.txt", "long.txt", "updated.txt",
           "dir", "repeats.txt", "params.txt"]

localrules: local

envvars: "DECLARED"

rule all:
    input: OUTPUTS, expand("hostile/{name}.txt", name=HOSTILE)

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
"""

NOTE = """
from importlib import import_module
import helper
with open(snakemake.output[0], "w") as out:
    print(open(snakemake.input[0]).read(), snakemake.params.numbers, snakemake.params.table, helper.WORD,
          snakemake.threads, snakemake.rule, __file__, file=out)
"""

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
    return made, made.run()


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Workflow:
    made = prepare(tmp_path_factory.mktemp("local") / "run")
    done = made.run(executor="local")
    assert done.code == 0, done.said
    return made


def test_everything_is_made(ours: tuple[Workflow, Done]) -> None:
    assert ours[1].code == 0, ours[1].said


def test_the_files_are_those_of_local_execution(ours: tuple[Workflow, Done], local: Workflow) -> None:
    mine, theirs = ours[0].files(), local.files()
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


def test_nothing_but_logs_with_words_in_them_is_left(ours: tuple[Workflow, Done]) -> None:
    place = ours[0].path / ".snakemake"
    assert all(log.stat().st_size for log in ours[0].logs())
    assert not list((place / "scripts").iterdir())
    assert not list(place.glob("shell_tmp.*"))
    assert not list((place / "incomplete").iterdir())
    assert not list((place / "shadow").iterdir())


def test_the_run_ends_with_a_summary(ours: tuple[Workflow, Done]) -> None:
    line = next(line for line in ours[1].said.splitlines() if line.startswith("dodas: "))
    assert " steps, 0 failed; " in line
