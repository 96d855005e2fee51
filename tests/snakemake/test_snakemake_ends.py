"""However a run ends, nothing that it started goes on."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from snakemake_runs import Workflow

# Jobs hold a pipe open, and so does everything that they start: its end is the end of all of them.
SNAKEFILE = """
rule all:
    input: "sleeps.txt", "again.txt", "forks.txt", "second.txt"

rule sleeps:
    output: "sleeps.txt"
    shell: "exec 3> fifo; touch {output}; echo up >&3; sleep 1000"

rule again:
    output: "again.txt"
    run: shell("exec 3> fifo; echo up >&3; sleep 1000")

rule forks:
    output: "forks.txt"
    shell: "exec 3> fifo; (setsid sleep 1000 &) ; echo up >&3; sleep 1000"

rule second:
    input: "sleeps.txt"
    output: "second.txt"
    shell: "echo x > {output}"
"""


@pytest.fixture
def running(workflow: Workflow) -> Iterator[tuple[subprocess.Popen[str], Workflow, Path]]:
    workflow.write("Snakefile", SNAKEFILE)
    fifo = workflow.path / "fifo"
    os.mkfifo(fifo)
    process = workflow.start("--dodas-cores", "3")
    yield process, workflow, fifo
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


def test_ctrl_c_ends_all_jobs(running: tuple[subprocess.Popen[str], Workflow, Path]) -> None:
    process, workflow, fifo = running
    with open(fifo) as pipe:
        up = [pipe.readline() for _ in range(3)]
        os.killpg(process.pid, signal.SIGINT)
        said, _ = process.communicate()
        assert pipe.read() == ""  # nobody holds it open any more
    assert up == ["up\n"] * 3
    assert process.returncode != 0
    assert "Traceback" not in said
    assert "Error in rule" not in said
    assert not list((workflow.path / ".snakemake").glob("scripts/*"))


def test_a_run_that_was_interrupted_can_be_finished(
    running: tuple[subprocess.Popen[str], Workflow, Path],
) -> None:
    process, workflow, fifo = running
    with open(fifo) as pipe:
        assert [pipe.readline() for _ in range(3)] == ["up\n"] * 3
        os.killpg(process.pid, signal.SIGINT)
        process.communicate()
    workflow.write(
        "Snakefile", SNAKEFILE.replace("exec 3> fifo; ", "exec 3> /dev/null; ").replace("1000", "0")
    )
    # The output of a job that was ended is not taken for a good one.
    refused = workflow.run("sleeps.txt")
    assert refused.code == 1
    assert "incomplete" in refused.said.lower()
    done = workflow.run("--rerun-incomplete", "sleeps.txt")
    assert done.code == 0, done.said


def test_killing_snakemake_ends_all_jobs(running: tuple[subprocess.Popen[str], Workflow, Path]) -> None:
    process, _, fifo = running
    with open(fifo) as pipe:
        assert [pipe.readline() for _ in range(3)] == ["up\n"] * 3
        os.kill(process.pid, signal.SIGKILL)
        assert pipe.read() == ""


def test_sigterm_lets_running_jobs_finish_and_starts_no_more(workflow: Workflow) -> None:
    workflow.write(
        "Snakefile",
        """
rule second:
    input: "first.txt"
    output: "second.txt"
    shell: "cat {input} > {output}"

rule first:
    output: "first.txt"
    shell: "echo up > up; cat down > {output}"
""",
    )
    for name in ("up", "down"):
        os.mkfifo(workflow.path / name)
    process = workflow.start()
    assert workflow.read("up") == "up\n"
    process.terminate()
    said = ""
    assert process.stdout is not None
    while "Will exit after finishing" not in said:  # Snakemake took notice
        said += process.stdout.readline()
    workflow.write("down", "finished\n")
    process.communicate()
    assert workflow.read("first.txt") == "finished\n"
    assert not (workflow.path / "second.txt").exists()
