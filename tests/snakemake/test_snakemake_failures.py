"""What fails, fails one job, says why, and costs the others nothing."""

from __future__ import annotations

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
