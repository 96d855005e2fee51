"""What fails, fails one job, says why, and costs the others nothing."""

from __future__ import annotations

import itertools
import os
import re

import pytest

from dodas.backends.capacity import cores
from smallimage import NAME, fill
from snakemake_runs import Workflow

FAILING = """
rule all:
    input: "good.txt", "bad.txt", "after.txt"

rule good:
    output: "good.txt"
    shell: "echo x > {output}"

rule bad:
    output: "bad.txt"
    shell: "echo partial > {output}; echo the reason is here >&2; exit 3"

rule after:
    input: "good.txt"
    output: "after.txt"
    shell: "cat {input} > {output}"
"""


def test_a_failed_job_shows_its_status_last_words_and_log(workflow: Workflow) -> None:
    workflow.write("Snakefile", FAILING)
    done = workflow.run("--keep-going")
    assert done.code == 1
    assert "exit status 3" in done.said
    assert "Last lines of standard error:" in done.said
    assert "the reason is here" in done.said
    [log] = workflow.logs()
    assert log.read_text() == "the reason is here\n"
    assert str(log) in done.said


def test_the_others_go_on_and_half_made_files_go(workflow: Workflow) -> None:
    workflow.write("Snakefile", FAILING)
    workflow.run("--keep-going")
    assert workflow.read("after.txt") == "x\n"
    assert not (workflow.path / "bad.txt").exists()


def test_a_signal_is_named(workflow: Workflow) -> None:
    workflow.write("Snakefile", 'rule one:\n output: "x"\n shell: "kill -SEGV $$"\n')
    done = workflow.run()
    assert done.code == 1
    assert "signal 11" in done.said or "SIGSEGV" in done.said


def test_a_job_is_tried_again_with_other_resources(workflow: Workflow) -> None:
    workflow.write(
        "Snakefile",
        """
rule one:
    output: "x"
    retries: 2
    resources: tries=lambda wildcards, attempt: attempt
    shell: "echo {resources.tmpdir} >> places; test {resources.tries} = 3; echo {resources.tries} > {output}"
""",
    )
    done = workflow.run()
    assert done.code == 0, done.said
    assert workflow.read("x") == "3\n"
    assert len(set(workflow.read("places").splitlines())) == 1
    assert "3 steps, 2 failed" in done.said


def test_rules_that_cannot_become_steps_fail_alone(workflow: Workflow) -> None:
    workflow.write(
        "Snakefile",
        """
rule all:
    input: "good.txt", "unknown.txt", "sif.txt", "gpu.txt"

rule good:
    output: "good.txt"
    shell: "sleep 0.2; echo x > {output}"

rule unknown:
    output: "unknown.txt"
    resources: shell_exec="no-such-shell"
    shell: "echo x > {output}"

rule sif:
    output: "sif.txt"
    container: "images/tool.sif"
    shell: "echo x > {output}"

rule gpu:
    output: "gpu.txt"
    resources: gpu=4000
    shell: "echo x > {output}"
""",
    )
    done = workflow.run("--keep-going")
    assert done.code == 1
    assert workflow.read("good.txt") == "x\n"
    assert "no-such-shell" in done.said
    assert "SIF files run in apptainer only" in done.said
    assert "4000 GPUs" in done.said


def test_the_memory_limit_is_the_one_the_user_set(workflow: Workflow) -> None:
    workflow.write(
        "Snakefile",
        """
rule all:
    input: "large.txt", "free.txt"

rule large:
    output: "large.txt"
    resources: mem_mb=30
    shell: "python -c 'x = bytearray(200_000_000); import time; time.sleep(60)'; echo x > {output}"

rule free:
    output: "free.txt"
    shell: "python -c 'x = bytearray(1_200_000_000)'; echo x > {output}"
""",
    )
    done = workflow.run("--keep-going")
    assert done.code == 1
    assert workflow.read("free.txt") == "x\n"  # Snakemake's own guess of 1 GB is no limit
    assert "memory" in done.said
    assert not (workflow.path / "large.txt").exists()


def test_a_job_may_ask_for_more_than_there_is_and_gets_everything(workflow: Workflow) -> None:
    workflow.write(
        "Snakefile",
        """
rule one:
    output: "x"
    threads: 9999
    resources: mem_mb=999_000_000
    shell: "echo {threads} > {output}"
""",
    )
    done = workflow.run("--dodas-cores", "1", "--dodas-memory", "500MB")
    assert done.code == 0, done.said
    assert workflow.read("x") == "1\n"


def test_wrong_settings_are_said_in_a_sentence(workflow: Workflow) -> None:
    workflow.write("Snakefile", 'rule one:\n output: "x"\n shell: "echo x > {output}"\n')
    for option, value, words in (
        ("--dodas-memory", "much", "'much' is not a size"),
        ("--dodas-volume", "/does/not/exist", "there is no '/does/not/exist'"),
    ):
        done = workflow.run(option, value)
        assert done.code == 1
        assert words in done.said
        assert "Traceback" not in done.said


def told_of(rule: str, said: str) -> str:
    """Return the block on a failed job of a rule: from its name to the end of what is indented below."""
    block = said.split(f"Error in rule {rule}:\n")[1].splitlines(keepends=True)
    return "".join(itertools.takewhile(lambda line: line.startswith(" "), block))


def test_the_block_of_a_failed_job_tells_where_with_what_and_where_to_read_on(workflow: Workflow) -> None:
    workflow.write(
        "Snakefile",
        """
rule bad:
    output: "bad.txt"
    log: "logs/bad.log"
    threads: 2
    retries: 1
    resources: mem_mb=300, runtime=5
    shell: "echo logged > {log}; echo shown; for i in `seq 30`; do echo line $i >&2; done; exit 3"
""",
    )
    done = workflow.run()
    assert done.code == 1
    first = told_of("bad", done.said)
    words = [line.strip() for line in first.splitlines()]
    assert words[0] == f"message: exit status 3, on {os.uname().nodename} (attempt 1 of 2)"
    assert words[1] == f"asked: {min(2, cores())} cores, 300 MB memory, 5 min".replace("1 cores", "1 core")
    assert re.fullmatch(r"used: \d+\.\d cores, \d+ MB memory, \d+\.\d s", words[2])
    assert words[3] == "Last lines of standard error:"
    assert words[4:16] == [f"line {i}" for i in range(19, 31)]
    logs = {str(log) for log in workflow.logs() if log.name.startswith("bad.")}
    assert len(logs) == 4
    assert sum(log in first for log in logs) == 2
    assert "logs/bad.log" in first
    # All that is said of it belongs to it, also by its indentation.
    assert "(attempt 2 of 2)" in done.said


def test_last_words_are_found_where_they_are_and_fit_for_reading(workflow: Workflow) -> None:
    workflow.write(
        "Snakefile",
        r"""
rule all:
    input: "out", "log", "bar", "nothing", "bytes"

rule out:
    output: "out"
    shell: "echo on standard output; exit 1"

rule log:
    output: "log"
    log: "logs/log.txt"
    shell: "echo only in the log > {log}; exit 1"

rule bar:
    output: "bar"
    shell: r"printf ' 1%%\r99%%\rend of the bar\n\033[31mred\033[0m\033]0;title\a\n' >&2; exit 1"

rule nothing:
    output: "nothing"
    shell: "exit 1"

rule bytes:
    output: "bytes"
    shell: r"printf 'caf\351 \001\n' >&2; exit 1"
""",
    )
    said = workflow.run("--keep-going").said
    assert "Last lines of standard output:\n            on standard output\n" in told_of("out", said)
    assert "Last lines of the log logs/log.txt:\n            only in the log\n" in told_of("log", said)
    bar = "Last lines of standard error:\n            end of the bar\n            red\n    jobid:"
    assert bar in told_of("bar", said)
    assert "Last lines" not in told_of("nothing", said)
    assert "            caf� �\n" in told_of("bytes", said)


def test_values_of_declared_variables_are_not_shown(workflow: Workflow) -> None:
    workflow.write(
        "Snakefile",
        """
envvars: "TOKEN", "FLAG"

rule one:
    output: "x"
    shell: "echo curl -H Bearer:$TOKEN flag 1 $FLAG >&2; exit 1"
""",
    )
    workflow.env.update(TOKEN="s3cr3t-v4lue", FLAG="1")
    done = workflow.run()
    assert done.code == 1
    assert "curl -H Bearer:$TOKEN flag 1 1\n" in done.said
    assert "s3cr3t" not in done.said


def test_of_a_second_snakemake_only_what_the_job_said_is_shown(workflow: Workflow) -> None:
    workflow.write(
        "Snakefile",
        """
rule one:
    output: "x"
    run:
        shell("echo from a command >&2")
        raise ValueError("from the block")
""",
    )
    done = workflow.run()
    assert done.code == 1
    block = told_of("one", done.said)
    assert "            from a command\n" in block
    assert "from the block" in block
    assert not re.search("Building DAG|Elapsed|Select jobs|Storing output|At least one job", block)


@pytest.mark.parametrize("layered", [False, True], ids=["one step", "a step for each job"])
def test_of_a_group_the_failed_job_is_named(workflow: Workflow, layered: bool) -> None:
    if layered:  # a container makes it so
        fill(os.environ["UDOCKER_DIR"], workflow.path.parent)
    container = f'container: "docker://{NAME}"' if layered else ""
    workflow.write(
        "Snakefile",
        f"""
shell.executable("/bin/sh")

rule all:
    input: "last", "good"

rule good:
    output: "good"
    shell: "touch {{output}}"

rule first:
    output: "first.{{i}}"
    group: "together"
    {container}
    shell: "echo words of {{wildcards.i}} >&2; test {{wildcards.i}} = b && touch {{output}}"

rule last:
    input: "first.b", "first.a"
    output: "last"
    group: "together"
    {container}
    shell: "touch {{output}}"
""",
    )
    done = workflow.run("--keep-going")
    assert done.code == 1
    assert (workflow.path / "good").exists()
    # Early releases of Snakemake say theirs, without the reason, and say it again at the end.
    lines = [line for line in done.said.splitlines() if line.startswith("Error in group together")]
    [line] = [line for line in lines if "rule" in line]
    match = re.search(r"rule first \(jobid (\d+)\): exit status 1, on ", line)
    assert match
    assert re.search(rf"\n +rule first:\n +output: first\.a\n(?: .*\n)*? +jobid: {match[1]}\n", done.said)
    assert "            words of a\n" in done.said


def test_logs_of_failed_jobs_are_shown_on_request(workflow: Workflow) -> None:
    workflow.write(
        "Snakefile",
        """
rule bad:
    output: "x"
    log: "bad.log"
    shell: "echo logged > {log}; for i in `seq 30`; do echo line $i >&2; done; exit 3"
""",
    )
    said = workflow.run("--show-failed-logs").said
    assert "\nlogged\n" in said
    assert "\nline 1\n" in said


def test_retries_given_on_the_command_line_are_taken_and_counted(workflow: Workflow) -> None:
    workflow.write(
        "Snakefile",
        """
rule one:
    output: "x"
    shell: "echo try >> tries; test `wc -l < tries` = 3 && touch {output}"
""",
    )
    done = workflow.run("--retries", "3")
    assert done.code == 0, done.said
    assert "(attempt 2 of 4)" in done.said
    assert workflow.read("tries") == "try\n" * 3


def test_without_keep_going_the_jobs_that_run_finish_and_no_more_start(workflow: Workflow) -> None:
    workflow.write(
        "Snakefile",
        """
rule all:
    input: "slow", "bad", "later"

rule slow:
    output: "slow"
    shell: "echo up > up; until test -e failed; do sleep 0.05; done; touch {output}"

rule bad:
    output: "bad"
    shell: "cat up; exit 1"

rule later:
    input: "slow"
    output: "later"
    shell: "touch {output}"
""",
    )
    os.mkfifo(workflow.path / "up")
    process = workflow.start("--dodas-cores", "2")
    assert process.stdout is not None
    said = ""
    while "Error in rule bad" not in said:
        said += process.stdout.readline()
    (workflow.path / "failed").touch()
    process.communicate()
    assert process.returncode == 1
    assert (workflow.path / "slow").exists()
    assert not (workflow.path / "later").exists()
