"""What Snakemake's own tests taught, and the tool that runs them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import snakemake_suite
import snakemake_suite_swap
from snakemake_runs import Workflow
from snakemake_suite import Outcome
from snakemake_suite_known import KNOWN

_PAGE = Path(__file__).parents[2] / "docs" / "snakemake.md"


def test_a_gpu_that_is_not_there_is_a_number_like_any_other(workflow: Workflow) -> None:
    workflow.write(
        "Snakefile",
        """
rule all:
    input: "counted", "computed"

rule counted:
    output: "counted"
    resources: gpu=4096
    shell: "echo {resources.gpu} > {output}"

rule computed:
    output: "computed"
    resources: gpu=lambda wildcards, attempt: 4096 * attempt
    run:
        with open(output[0], "w") as file:
            print(resources.gpu, file=file)
""",
    )
    done = workflow.run("--resources", "gpu=4096")
    assert done.code == 0, done.said
    assert workflow.read("counted") == workflow.read("computed") == "4096\n"
    assert "Rule counted asks for 4096 GPUs and there are" in done.said


def test_a_second_snakemake_has_room_beside_the_memory_of_the_rule(workflow: Workflow) -> None:
    workflow.write(
        "Snakefile",
        """
rule one:
    output: "x"
    resources: mem_mb=30
    run:
        import time
        time.sleep(2)  # the limit is looked at from time to time
        with open(output[0], "w") as file:
            print(resources.mem_mb, file=file)
""",
    )
    done = workflow.run()
    assert done.code == 0, done.said
    assert workflow.read("x") == "30\n"


def test_a_group_does_not_keep_what_is_temporary_for_longer_than_it_is_read(workflow: Workflow) -> None:
    workflow.write(
        "Snakefile",
        """
rule all:
    input: "c", "kept"

rule a:
    output: temp("a"), temp("needed"), temp(directory("d"))
    group: "one"
    shell: "touch a needed; mkdir d; touch d/x"

rule b:
    input: "a", "d"
    output: "b"
    group: "one"
    shell: "ls {input} > b"

rule c:
    input: "b"
    output: "c"
    group: "one"
    shell: "ls -d a d needed > c 2> /dev/null || true"

rule outside:
    input: "needed", "c"
    output: "kept"
    shell: "ls needed > kept"
""",
    )
    done = workflow.run()
    assert done.code == 0, done.said
    assert workflow.read("c") == "needed\n"
    assert set(workflow.files()) == {"Snakefile", "b", "c", "kept"}
    assert workflow.run("--forceall", "--notemp").code == 0
    assert workflow.read("c") == "a\nd\nneeded\n"


def test_a_run_with_nothing_to_do_leaves_the_logs_of_others_alone(workflow: Workflow) -> None:
    workflow.write("Snakefile", 'rule one:\n output: "x"\n shell: "echo said; echo x > {output}"\n')
    assert workflow.run().code == 0
    before = sorted((workflow.path / ".snakemake/dodas").iterdir())
    done = workflow.run()
    assert done.code == 0
    assert "Nothing to be done" in done.said
    assert "dodas:" not in done.said
    assert sorted((workflow.path / ".snakemake/dodas").iterdir()) == before
    assert [log.read_text() for log in workflow.logs()] == ["said\n"]


def test_the_page_has_the_tests_that_are_known_to_fail() -> None:
    section = _PAGE.read_text().partition("## Snakemake's own tests\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `([^`]+)` \| (.+) \|$", section, re.MULTILINE)
    assert dict(rows) == KNOWN


def test_a_test_is_as_bad_as_its_worst_phase() -> None:
    notes = [("a", "passed"), ("a", "failed"), ("a", "passed"), ("b", "skipped"), ("b", "passed")]
    text = "".join(json.dumps({"test": t, "outcome": o, "why": o[0]}) + "\n" for t, o in notes)
    assert snakemake_suite.read(text) == {
        "a": Outcome(end="failed", why="f"),
        "b": Outcome(end="skipped", why="s"),
    }


def test_only_what_the_local_executor_passes_counts() -> None:
    ends = {"passed": Outcome(end="passed"), "failed": Outcome(end="failed", why="no")}
    local = dict.fromkeys(("lost", "gone", "known", "better", "same"), ends["passed"])
    local["alike"] = ends["failed"]
    other = {test: ends["failed"] for test in ("lost", "known", "alike")}
    other |= {test: ends["passed"] for test in ("better", "same")}
    found = snakemake_suite.difference(local, other, {"known": "so", "better": "so"})
    assert found.lost == {"lost": "no", "gone": "it did not end"}
    assert found.known == ["known"]
    assert found.better == ["better"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("snakemake -c1", "snakemake --executor dodas --jobs 3 -c1"),
        ("snakemake --executor local -c1", "snakemake --executor local -c1"),
        ("snakemake -e dryrun", "snakemake -e dryrun"),
    ],
)
def test_command_lines_get_the_executor_unless_they_name_one(given: str, expected: str) -> None:
    assert snakemake_suite_swap.with_executor(given, "dodas") == expected


def test_clusters_and_the_local_executor_are_swapped() -> None:
    calls: list[dict[str, object]] = []
    run = snakemake_suite_swap.swapped(lambda path, **options: calls.append(options), "dodas")
    run("plain")
    run("one", cores=1)
    run("cluster", cluster="./qsub", cores=6)
    run("failing", cluster="./qsub", cluster_status="./no")
    run("dry", executor="dryrun")
    swapped = [(call.get("executor"), call.get("nodes"), call.get("cluster")) for call in calls]
    assert swapped == [
        ("dodas", 3, None),
        ("dodas", 1, None),
        ("dodas", 3, None),
        (None, None, "./qsub"),
        ("dryrun", None, None),
    ]
