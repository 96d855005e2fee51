"""Rules with ``container:`` run in their image, without any option."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from smallimage import NAME, fill
from snakemake_runs import Done, Workflow, make_workflow

SNAKEFILE = r"""
import os

shell.executable("/bin/sh")  # the image has nothing else
OUTSIDE = config["outside"]
NAMES = ["a b", "quo'te", "-dash", "co:lon", "com,ma", "ünïcödé", "star*"]

envvars: "DECLARED"

container: "docker://{image}"

rule all:
    input:
        expand("named/{{name}}.txt", name=NAMES), OUTSIDE + "/out dir/result.txt",
        "environment.txt", "sees.txt", "shadow.txt", "host.txt", "linked.txt", "tmpdir.txt",
        "grouped.txt", "worker.txt", "bench.txt"

rule named:
    output: "named/{{name}}.txt"
    log: "logs/{{name}}.log"
    params: value=lambda wildcards: wildcards.name
    shell: "cat /marker > {{output:q}}; printf %s {{params.value:q}} >> {{output:q}}; pwd > {{log:q}}"

rule environment:
    output: "environment.txt"
    threads: 2
    shell: "env > {{output}}"

rule sees:
    output: "sees.txt"
    shell: "ls -a / /tmp {{OUTSIDE}} /root > {{output}} 2>/dev/null || true; touch /written /tmp/written"

rule outside:
    input: OUTSIDE + "/in.txt"
    output: OUTSIDE + "/out dir/result.txt"
    shell: "cat {{input:q}} /marker > {{output:q}}; ! echo x > {{input:q}}"

rule linked:
    input: "link.txt"
    output: "linked.txt"
    shell: "cat {{input}} > {{output}}"

rule shadow:
    input: "named/a b.txt"
    output: "shadow.txt"
    shadow: "minimal"
    shell: "touch rubbish; pwd > {{output}}; cat {{input:q}} >> {{output}}"

rule host:
    output: "host.txt"
    container: None
    shell: "test ! -e /marker; echo host > {{output}}"

rule tmpdir:
    output: "tmpdir.txt"
    resources: tmpdir=OUTSIDE + "/scratch"
    shell: "echo $TMPDIR {{resources.tmpdir}} > {{output}}; touch '{{resources.tmpdir}}/used'"

rule first:
    output: temp("first.txt")
    group: "pair"
    shell: "cat /marker > {{output}}"

rule touching:
    input: "first.txt"
    output: touch("between")
    group: "pair"
    shell: "test -e /marker"

rule grouped:
    input: "first.txt", "between"
    output: "grouped.txt"
    group: "pair"
    shell: "cat {{input[0]}} /marker > {{output}}"

rule worker:
    output: "worker.txt"
    container: None
    run:
        shell("echo worker > {{output}}")

rule bench:
    output: "bench.txt"
    benchmark: repeat("bench.tsv", 2)
    shell: "cat /marker > {{output}}"
"""


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workflow, Done, Path]:
    base = tmp_path_factory.mktemp("contained")
    made, outside = make_workflow(base / "work dir"), base / "out side"
    fill(os.environ["UDOCKER_DIR"], base)
    outside.mkdir()
    (outside / "in.txt").write_text("input\n")
    (outside / "secret.txt").write_text("not for steps\n")
    (outside / "deep").mkdir()
    (outside / "deep/target.txt").write_text("through a link\n")
    (made.path / "link.txt").symlink_to(outside / "deep/target.txt")
    made.env.update(DECLARED="a 'declared' value", UNDECLARED="secret", LC_ALL="C.UTF-8")
    made.write("Snakefile", SNAKEFILE.format(image=NAME))
    return made, made.run("--config", f"outside={outside}"), outside


def test_everything_is_made(ran: tuple[Workflow, Done, Path]) -> None:
    assert ran[1].code == 0, ran[1].said
    assert "ignored" not in ran[1].said
    for name in ("a b", "quo'te", "-dash", "co:lon", "com,ma", "ünïcödé", "star*"):
        assert ran[0].read(f"named/{name}.txt") == "image\n" + name


def test_a_step_sees_only_what_it_was_given(ran: tuple[Workflow, Done, Path]) -> None:
    seen = ran[0].read("sees.txt").split()
    assert "marker" in seen
    assert "secret.txt" not in seen
    assert not Path("/written").exists()
    assert not Path("/tmp/written").exists()


def test_its_environment_is_small(ran: tuple[Workflow, Done, Path]) -> None:
    lines = ran[0].read("environment.txt").splitlines()
    env = dict(line.split("=", 1) for line in lines if "=" in line)
    assert env["DECLARED"] == "a 'declared' value"
    assert env["HOME"] == str(ran[0].path)
    assert env["OMP_NUM_THREADS"] == "2"
    assert env["TMPDIR"] == "/tmp"
    assert env["LC_ALL"] == "C.UTF-8"
    assert "UNDECLARED" not in env
    assert "PYTHONPATH" not in env


def test_files_outside_of_the_working_directory(ran: tuple[Workflow, Done, Path]) -> None:
    _, _, outside = ran
    assert (outside / "out dir/result.txt").read_text() == "input\nimage\n"
    assert (outside / "in.txt").read_text() == "input\n"
    assert ran[0].read("linked.txt") == "through a link\n"
    assert (outside / "scratch/used").exists()
    assert ran[0].read("tmpdir.txt") == f"{outside}/scratch {outside}/scratch\n"


def test_files_belong_to_the_user(ran: tuple[Workflow, Done, Path]) -> None:
    assert all(path.stat().st_uid == os.getuid() for path in ran[0].path.rglob("*.txt"))


def test_a_group_runs_in_containers_layer_by_layer(ran: tuple[Workflow, Done, Path]) -> None:
    assert ran[0].read("grouped.txt") == "image\nimage\n"
    assert not (ran[0].path / "first.txt").exists()


def test_benchmarks_measure_the_step_in_its_container(ran: tuple[Workflow, Done, Path]) -> None:
    assert len(ran[0].read("bench.tsv").splitlines()) == 3


def test_python_scripts_find_snakemake_in_any_image_with_a_python(workflow: Workflow) -> None:
    fill(os.environ["UDOCKER_DIR"], workflow.path.parent)
    workflow.write(
        "Snakefile",
        f"""
shell.executable("/bin/sh")
rule one:
    output: "x"
    container: "docker://{NAME}"
    params: words=["a b", "c'd"]
    script: "scripts/in.py"
""",
    )
    workflow.write("scripts/helper.py", "WORD = 'helped'")
    workflow.write(
        "scripts/in.py",
        """
from pathlib import Path
import helper
Path(snakemake.output[0]).write_text(f"{Path('/marker').read_text()}{snakemake.params.words}{helper.WORD}")
""",
    )
    # This machine's Python and its libraries stand in for those of an image.
    programs = workflow.path.parent / "programs"
    programs.mkdir()
    (programs / "python").symlink_to(os.path.realpath(sys.executable))
    libraries = {path for path in ("/lib", "/lib64", "/usr/lib", sys.base_prefix) if os.path.exists(path)}
    # The last mount is on top: the prefix may be /usr itself.
    done = workflow.run("--dodas-volume", *sorted(libraries), f"{programs}:/usr/local/sbin")
    assert done.code == 0, done.said
    assert workflow.read("x") == "image\n['a b', \"c'd\"]helped"


HARD = f"""
shell.executable("/bin/sh")
OUTSIDE = config["outside"]
container: "docker://{NAME}"

rule all:
    container: None
    input: "piped.txt", OUTSIDE + "/out 'dir'/run.txt", "again.txt", "python.txt", "bare.txt", "host.txt"

rule source:
    output: pipe("pipe")
    shell: "cat /marker > {{output}}"

rule piped:
    input: "pipe"
    output: "piped.txt"
    shell: "cat {{input}} /marker > {{output}}"

rule run:
    input: OUTSIDE + "/in, x.txt"
    output: OUTSIDE + "/out 'dir'/run.txt"
    run:
        shell("cat {{input:q}} /marker /given/file > {{output:q}}; grep -c : /proc/net/dev >> {{output:q}}")

rule again:
    output: "again.txt"
    run: shell("cat /marker > {{output}}")

rule python:
    output: "python.txt"
    run:
        with open(output[0], "w") as file:
            print(config["outside"] == OUTSIDE, file=file)

rule bare:
    output: "bare.txt"
    container: None
    run: shell("test -e /marker || echo host > {{output}}")

rule host:
    output: "host.txt"
    container: None
    shell: "test -e /marker || echo host > {{output}}"
"""


@pytest.mark.parametrize("more", [(), ("--sdm", "env-modules")], ids=["alone", "with other software"])
def test_what_only_a_second_snakemake_can_run_is_in_its_container(
    workflow: Workflow, more: tuple[str, ...]
) -> None:
    """Pipes and `run:` blocks; what they see is what other jobs see."""
    fill(os.environ["UDOCKER_DIR"], workflow.path.parent)
    outside, given = workflow.path.parent / "out side", workflow.path.parent / "gi, ven"
    for folder in (outside, given):
        folder.mkdir()
    (outside / "in, x.txt").write_text("in\n")
    (given / "file").write_text("given\n")
    workflow.write("Snakefile", HARD)
    options = ("--dodas-volume", f"{given}:/given", "--dodas-network", "none", "--dodas-explain", *more)
    done = workflow.run("--config", f"outside={outside}", *options)
    assert done.code == 0, done.said
    assert workflow.read("piped.txt") == "image\nimage\n"
    ran = (outside / "out 'dir'" / "run.txt").read_text()
    assert ran == "in\nimage\ngiven\n1\n", "lo is all the network that there is"
    assert workflow.read("again.txt") == "image\n"
    assert workflow.read("python.txt") == "True\n"
    assert workflow.read("bare.txt") == workflow.read("host.txt") == "host\n"
    assert f"rule run: worker, in the container docker://{NAME}, because" in done.said
    assert "without the container" not in done.said
    assert "Nothing to be done" in workflow.run("--config", f"outside={outside}", *options).said


def test_the_network_can_be_taken_away(workflow: Workflow) -> None:
    fill(os.environ["UDOCKER_DIR"], workflow.path.parent)
    workflow.write(
        "Snakefile",
        f"""
shell.executable("/bin/sh")
rule one:
    output: "x"
    container: "docker://{NAME}"
    shell: "ls /sys/class/net /given > {{output}} || true"
""",
    )
    given = workflow.path.parent / "given"
    given.mkdir()
    (given / "file").write_text("")
    done = workflow.run("--dodas-network", "none", "--dodas-volume", f"{given}:/given")
    assert done.code == 0, done.said
    assert "file" in workflow.read("x")


def test_an_image_that_cannot_be_had_fails_its_jobs_only(workflow: Workflow) -> None:
    workflow.write(
        "Snakefile",
        """
rule all:
    input: "good.txt", "bad.txt"
rule good:
    output: "good.txt"
    shell: "echo x > {output}"
rule bad:
    output: "bad.txt"
    container: "docker://localhost:1/no/such:image"
    shell: "echo x > {output}"
""",
    )
    done = workflow.run("--keep-going")
    assert done.code == 1
    assert workflow.read("good.txt") == "x\n"
    assert "localhost:1" in done.said.split("Error in rule bad")[1]
