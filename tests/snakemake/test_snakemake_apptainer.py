"""`snakemake --sdm apptainer` under `dodas env` makes the same files as `--executor dodas` without it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from python_image import NAME, fill
from snakemake_runs import Done, Workflow, make_workflow
from udocker_env import path_with_programs

SNAKEFILE = r"""
shell.executable("/bin/sh")  # the image has nothing else
NAMES = ["a b", "quo'te", "co:lon,dollar$HOME*", "-ünïcödé"]

container: "docker://IMAGE"

rule all:
    input:
        expand("named/{name}.txt", name=NAMES), "script.txt", "shadow.txt", "sh.txt", "run.txt", "long.txt",
        "source.txt", "host.txt", "tmpdir.txt"

rule named:
    output: "named/{name}.txt"
    params: value=lambda wildcards: wildcards.name, lines="new\nline 'quoted'", empty=""
    shell:
        "printf '%s|' {params.value:q} {params.lines:q} {params.empty:q} > {output:q}; "
        "cat /marker >> {output:q}"

rule script:
    input: "named/a b.txt"
    output: "script.txt"
    params: numbers=[1, 2], table={"a": None}
    threads: 2
    script: "scripts/note.py"

rule shadow:
    input: "named/a b.txt"
    output: "shadow.txt"
    shadow: "minimal"
    shell: "touch rubbish; cat {input:q} /marker > {output}"

rule sh:
    output: "sh.txt"
    resources: shell_exec="sh"
    shell: "false | true; cat /marker > {output}; echo $- >> {output}"

rule run:
    output: "run.txt"
    run:
        shell("echo in $(cat /marker) > {output}")

rule long:
    output: "long.txt"
    params: words=" ".join(map(str, range(20000)))
    shell: "cat /marker > {output}; echo {params.words} >> {output}"

rule source:
    output: "source.txt"
    params: path=workflow.source_path("scripts/words.txt")
    shell: "cat {params.path:q} /marker > {output}"

rule host:
    output: "host.txt"
    container: None
    shell: "test ! -e /marker; echo host > {output}"

rule tmpdir:
    output: "tmpdir.txt"
    benchmark: "bench.tsv"
    shell: "touch '{resources.tmpdir}/used' $TMPDIR/too; cat /marker > {output}"
"""

NOTE = """
with open(snakemake.output[0], "w") as out:
    print(open(snakemake.input[0]).read(), open("/marker").read(), snakemake.params.numbers,
          snakemake.params.table, snakemake.threads, snakemake.rule, file=out)
"""


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("apptainer")
    fill(os.environ["UDOCKER_DIR"], folder)
    return folder


@pytest.fixture(scope="module")
def wanted(base: Path) -> dict[str, bytes]:
    """The files that our executor makes, without `dodas env`."""
    made = prepare(base / "direct")
    return outputs(made, made.run())


def prepare(path: Path) -> Workflow:
    made = make_workflow(path)
    made.write("Snakefile", SNAKEFILE.replace("IMAGE", NAME))
    made.write("scripts/note.py", NOTE)
    made.write("scripts/words.txt", "words\n")
    made.env["LC_ALL"] = "C.UTF-8"
    return made


def outputs(made: Workflow, done: Done) -> dict[str, bytes]:
    assert done.code == 0, done.said
    files = made.files()
    assert files.pop("bench.tsv")
    return files


@pytest.mark.parametrize("executor", ["local", "dodas"])
def test_the_files_are_the_same(executor: str, base: Path, wanted: dict[str, bytes]) -> None:
    made = prepare(base / f"under {executor}")
    made.env["PATH"] = path_with_programs({**made.env, "DODAS_DATA": str(base / "data")})
    done = made.run("--sdm", "apptainer", "--", "all", executor=executor)
    assert outputs(made, done) == wanted
    assert len(list((made.path / ".snakemake/singularity").glob("*.simg"))) == 1


def test_an_image_that_cannot_be_had_is_named(base: Path) -> None:
    made = make_workflow(base / "missing")
    made.write("Snakefile", 'rule all:\n    container: "docker://127.0.0.1:1/no/such:1"\n    shell: "true"\n')
    made.env["PATH"] = path_with_programs({**made.env, "DODAS_DATA": str(base / "data")})
    done = made.run("--sdm", "apptainer", executor="local")
    assert done.code == 1
    assert "Failed to pull singularity image" in done.said
    assert "127.0.0.1:1" in done.said
