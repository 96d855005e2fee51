"""The profiles that come with the project run workflows as they are."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from snakemake_runs import Done, Workflow

PROFILES = Path(__file__).parents[2] / "workflows/profiles"
NAMES = sorted(path.name for path in PROFILES.iterdir())

SNAKEFILE = """
rule all:
    input: "sum.txt", "tried.txt"

rule one:
    output: "one/{i}.txt"
    shell: "echo {wildcards.i} > {output}"

rule sum:
    input: expand("one/{i}.txt", i=range(3))
    output: "sum.txt"
    shell: "cat {input} > {output}"

rule tried:
    output: "tried.txt"
    params: asked=lambda wildcards, resources: [resources.get("mem_mb"), resources.get("runtime")]
    shell: "echo {params.asked} > {output}"

rule fails:
    output: "never.txt"
    shell: "exit 1"
"""


def run(workflow: Workflow, profile: Path, *arguments: str) -> Done:
    return workflow.call(
        [sys.executable, "-m", "snakemake", "--profile", str(profile), "--nocolor", *arguments]
    )


def uncommented(profile: str) -> str:
    """Return a profile with the options in it that it only proposes."""
    text = (PROFILES / profile / "config.v9+.yaml").read_text()
    return re.sub(r"^# ((?:  )*(?:- |[a-z-]+(?:_[a-z]+)?:).*)$", r"\1", text, flags=re.MULTILINE)


def test_the_local_profile_goes_on_after_failures_and_kills(workflow: Workflow) -> None:
    workflow.write("Snakefile", SNAKEFILE)
    profile = PROFILES / "dodas-local"
    done = run(workflow, profile, "never.txt", "all")
    assert done.code == 1
    assert "exit status 1" in done.said
    assert "dodas: 6 steps, 1 failed" in done.said
    assert workflow.read("sum.txt") == "0\n1\n2\n"
    assert run(workflow, profile, "all").code == 0


def test_the_htcondor_profile_runs_on_a_pool(
    workflow: Workflow, on_pool: Callable[[Workflow, str], Workflow]
) -> None:
    workflow.write("Snakefile", SNAKEFILE)
    used = on_pool(workflow, "shared")
    pool = used.options[used.options.index("--dodas-pool") + 1]
    done = run(used, PROFILES / "dodas-htcondor", "all", "--dodas-pool", pool)
    assert done.code == 0, done.said
    assert workflow.read("sum.txt") == "0\n1\n2\n"
    assert workflow.read("tried.txt") == "2000 240\n"


@pytest.mark.parametrize("name", NAMES)
def test_what_a_profile_proposes_can_be_taken_as_it_stands(workflow: Workflow, name: str) -> None:
    workflow.write("Snakefile", SNAKEFILE.replace("rule one:", "rule align:"))
    text = uncommented(name)
    profile = workflow.write("profile/config.v9+.yaml", text).parent
    for option in ("set-resources:\n  align:\n    mem_mb: 8000", "dodas-report: report.json"):
        assert option in text
    done = run(workflow, profile, "--dry-run", "all")
    assert done.code == 0, done.said
    block = done.said.split("rule align:")[1].split("rule ")[0]
    assert "mem_mb=8000" in block
    assert "runtime=240" in block
