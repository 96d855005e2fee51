"""What rules asked for and used: told at the end, and written to a file."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dodas.step import Failure, Resources, Result, Step, Usage
from snakemake_executor_plugin_dodas.used.efficiency import Efficiency
from snakemake_executor_plugin_dodas.used.profiles import lines
from snakemake_executor_plugin_dodas.used.proposals import propose
from snakemake_executor_plugin_dodas.used.summary import summary
from snakemake_runs import Workflow, make_workflow

MB = 1_000_000
DOCS = Path(__file__).parents[2] / "docs/snakemake.md"

SNAKEFILE = f"""
rule all:
    input: expand("idle/{{i}}", i=range(3)), "large", "tried", "free"

rule idle:
    output: "idle/{{i}}"
    threads: 2
    resources: mem_mb=900, runtime=600
    shell: "sleep 1.1; touch {{output}}"

rule large:
    output: "large"
    resources: mem_mb=300
    shell: "{sys.executable} -c 'x = bytearray(150_000_000)'; touch {{output}}"

rule tried:
    output: "tried"
    retries: 2
    resources: mem_mb=lambda wildcards, attempt: 40 * attempt ** 3
    shell: '{sys.executable} -c "import time; x = bytearray(200_000_000); time.sleep(1)"; touch {{output}}'

rule free:
    output: "free"
    shell: "touch {{output}}"
"""


def rules(path: Path) -> dict[str, dict[str, Any]]:
    return {record["rule"]: record for record in json.loads(path.read_text())["rules"]}


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workflow, str]:
    workflow = make_workflow(tmp_path_factory.mktemp("report") / "work dir")
    workflow.write("Snakefile", SNAKEFILE)
    done = workflow.run("--dodas-cores", "2", "--dodas-report", "new folder/réport.json")
    assert done.code == 0, done.said
    return workflow, done.said


def test_the_file_says_what_each_rule_asked_for_and_used(ran: tuple[Workflow, str]) -> None:
    path = ran[0].path / "new folder/réport.json"
    report, found = json.loads(path.read_text()), rules(path)
    assert report["schema"] == "dodas-report-1"
    assert report["complete"] is True
    assert list(found) == ["free", "idle", "large", "tried"]
    idle = found["idle"]
    assert (idle["jobs"], idle["attempts"], idle["failed"]) == (3, 3, 0)
    assert (idle["cores_asked"], idle["memory_asked_mb"], idle["time_asked_s"]) == (2, 900, 36000)
    assert 0 <= idle["cores_median"] <= idle["cores_p95"] <= idle["cores_max"] < 1
    assert 1.1 <= idle["time_median_s"] <= idle["time_p95_s"] <= idle["time_max_s"]
    assert idle["nodes"] == {os.uname().nodename: 3}
    assert (idle["threads"], idle["runtime"]) == (1, 5)
    assert found["free"]["memory_asked_mb"] is None
    assert found["large"]["memory_max_mb"] > 140
    assert os.listdir(path.parent) == [path.name]


def test_attempts_that_ran_out_of_memory_are_counted_and_the_proposal_covers_what_was_seen(
    ran: tuple[Workflow, str],
) -> None:
    tried = rules(ran[0].path / "new folder/réport.json")["tried"]
    assert (tried["jobs"], tried["attempts"], tried["failed"], tried["over_memory"]) == (1, 2, 1, 1)
    assert tried["failures"] == {"limit": 1}
    assert tried["memory_asked_mb"] == 320
    assert tried["mem_mb"] >= tried["memory_max_mb"] > 190


def test_the_end_of_a_run_tells_what_differs_much_and_how_to_set_it(
    ran: tuple[Workflow, str], tmp_path: Path
) -> None:
    workflow, said = ran
    told = said.split("dodas: rules that used much less")[1].split("\nComplete log")[0]
    assert re.search(r"\n +rule +jobs +cores +memory +time\n", told)
    assert re.search(r"\n +idle +3 +0\.\d of 2 +\d+ MB of 900 MB +1\.\d s of 600 min\n", told)
    assert re.search(r"\n +tried +1 +1 ended at 320 MB\n", told)
    assert "large" not in told
    assert "free" not in told
    # What it proposes is a profile.
    proposal = "\n".join(
        line[8:] for line in told.split("some more:\n")[1].splitlines() if line[:8] == " " * 8
    )
    profile = tmp_path / "proposed"
    profile.mkdir()
    (profile / "config.yaml").write_text(proposal)
    planned = workflow.run("--profile", str(profile), "--dry-run", "--forceall").said
    block = planned.split("rule idle:")[1].split("rule ")[0]
    assert "threads" not in block  # one is not worth a line
    assert "runtime=5" in block


@pytest.mark.parametrize("ending", ["tsv", "csv"])
def test_tables_have_the_same_columns(workflow: Workflow, ending: str) -> None:
    workflow.write("Snakefile", 'rule one:\n output: "x"\n shell: "touch {output}"\n')
    done = workflow.run("--dodas-report", f"report.{ending}")
    assert done.code == 0, done.said
    assert "dodas: rules" not in done.said
    with open(workflow.path / f"report.{ending}", newline="") as file:
        [row] = csv.DictReader(file, delimiter={"tsv": "\t", "csv": ","}[ending])
    assert (row["rule"], row["jobs"], row["memory_asked_mb"]) == ("one", "1", "")
    assert row["nodes"] == f"{os.uname().nodename}:1"
    described = re.findall(r"`([a-z0-9_]+)`", " ".join(re.findall(r"^\| (`[a-z].*?) \|", section(), re.M)))
    assert list(row) == described


def section() -> str:
    return DOCS.read_text().split("## What rules used")[1].split("\n## ")[0]


def test_a_run_that_is_interrupted_reports_what_it_has_seen(workflow: Workflow) -> None:
    workflow.write(
        "Snakefile",
        """
rule all:
    input: "first", "second"

rule first:
    output: "first"
    shell: "touch {output}"

rule second:
    input: "first"
    output: "second"
    shell: "echo up > up; sleep 1000"
""",
    )
    os.mkfifo(workflow.path / "up")
    process = workflow.start("--dodas-report", "report.json")
    workflow.read("up")
    os.killpg(process.pid, signal.SIGINT)
    process.communicate()
    assert json.loads(workflow.read("report.json"))["complete"] is False
    found = rules(workflow.path / "report.json")
    assert found["first"]["jobs"] == 1
    assert (found["second"]["attempts"], found["second"]["cancelled"]) == (0, 1)


def test_other_endings_are_refused_and_trouble_with_the_file_fails_nothing(workflow: Workflow) -> None:
    workflow.write("Snakefile", 'rule one:\n output: "x"\n shell: "touch {output}"\n')
    for name in ("report.html", "report", "."):
        done = workflow.run("--dodas-report", name)
        assert done.code == 1
        assert f"--dodas-report {name}: name a file that ends in .json, .tsv, .csv" in done.said
        assert "Traceback" not in done.said
    workflow.write("plain", "")
    done = workflow.run("--dodas-report", "plain/report.json")
    assert done.code == 0, done.said
    assert re.search(r"--dodas-report .*/plain/report.json: cannot be written: ", done.said)


def test_jobs_of_a_pool_are_reported_alike(
    workflow: Workflow, on_pool: Callable[[Workflow, str], Workflow]
) -> None:
    workflow.write(
        "Snakefile",
        'rule one:\n output: "x"\n resources: mem_mb=200, disk_mb=100\n shell: "seq 9999 > {output}"\n',
    )
    done = on_pool(workflow, "shared").run("--dodas-report", "report.json")
    assert done.code == 0, done.said
    one = rules(workflow.path / "report.json")["one"]
    assert (one["jobs"], one["failed"], one["disk_asked_mb"]) == (1, 0, 100)
    assert sum(one["nodes"].values()) == 1
    assert one["memory_max_mb"] > 0


def job(rule: str = "one") -> SimpleNamespace:
    return SimpleNamespace(is_group=lambda: False, rule=SimpleNamespace(name=rule))


def step(**resources: Any) -> Step:
    return Step(id="s", name="s", argv=("true",), resources=Resources(**resources))


def test_a_report_on_a_hundred_thousand_jobs_stays_small_and_right() -> None:
    efficiency, asked = Efficiency(), step(cores=4, memory=1000 * MB)
    for n in range(100_000):
        usage = Usage(wall=10.0 + n % 1000, cpu=(10.0 + n % 1000) / 2, peak_memory=(n + 1) * 1000)
        efficiency.add(job(), asked, Result(step="s", node=f"node{n}", usage=usage), first=True)
    [use] = efficiency
    assert use.jobs == 100_000
    assert use.memory.most == 100 * MB
    assert use.memory.quantile(0.5) == pytest.approx(50 * MB, rel=0.01)
    assert use.time.quantile(0.95) == pytest.approx(959, rel=0.02)
    assert (len(use.nodes), use.elsewhere) == (50, 99_950)
    assert len(use.memory._bins) < 1000
    assert propose(use).threads == 1
    assert propose(use).mem_mb == 200


def test_what_failed_by_itself_is_no_evidence_of_needing_little() -> None:
    efficiency = Efficiency()
    result = Result(step="s", exit_code=1, failure=Failure.TOOL, usage=Usage(wall=2, cpu=0.1, peak_memory=MB))
    efficiency.add(job(), step(cores=8, memory=9000 * MB), result, first=True)
    [use] = efficiency
    assert (propose(use).threads, propose(use).mem_mb, propose(use).runtime) == (None, None, None)
    assert summary([use]) == ""


def test_names_that_yaml_takes_for_something_else_are_quoted() -> None:
    assert list(lines({"set-threads": {"no": 2, "align": 1}})) == ["set-threads:", '  "no": 2', "  align: 1"]
