"""Workflows of Snakemake that bring up the pool that a file describes, alone and together with others."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from condor_pool import until
from pool_visits import Visited, visited
from snakemake_runs import Workflow

pytestmark = pytest.mark.slow

_SNAKEFILE = """
shell.executable("/bin/sh")
localrules: before, between
rule all:
    input: "last.txt"
rule before:
    output: "before.txt"
    shell: "ls $DODAS_STATE/pools >&2 || echo no pool > {output}"
rule first:
    input: "before.txt"
    output: "first.txt"
    shell: "cat {input} > {output}; echo first >> {output}"
rule between:
    input: "first.txt"
    output: "between.txt"
    shell: "until test -e go; do sleep 0.1; done; cat {input} > {output}"
rule last:
    input: "between.txt"
    output: "last.txt"
    shell: "cat {input} > {output}; echo last >> {output}"
"""


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[Visited]:
    with visited(tmp_path / "the pool's folder") as made:
        yield made


@pytest.fixture
def on_demand(workflow: Workflow, pool: Visited) -> Workflow:
    workflow.write("Snakefile", _SNAKEFILE)
    workflow.env.update(DODAS_STATE=str(pool.pools.state))
    return workflow.with_options("--dodas-pool", str(pool.folder / "pool.yaml"))


def test_a_pool_comes_with_a_workflow_and_goes_by_itself(on_demand: Workflow, pool: Visited) -> None:
    on_demand.write("go", "")
    done = on_demand.run()
    assert done.code == 0, done.said
    assert on_demand.read("last.txt") == "no pool\nfirst\nlast\n"
    assert len(pool.runs()) == 1
    pool.goes()
    done = on_demand.run()
    assert "Nothing to be done" in done.said
    assert pool.is_gone  # it was not needed


def test_a_file_that_will_not_do_is_told_before_any_job(on_demand: Workflow, pool: Visited) -> None:
    (pool.folder / "pool.yaml").write_text("dodas: 1\nname: visited\n")
    done = on_demand.run()
    assert done.code == 1
    assert "flavours: is missing" in done.said
    assert "Traceback" not in done.said
    assert not (on_demand.path / "before.txt").exists()


def test_a_pool_that_does_not_come_up_fails_the_jobs_for_it(on_demand: Workflow, pool: Visited) -> None:
    text = (pool.folder / "pool.yaml").read_text()
    (pool.folder / "pool.yaml").write_text(f"{text}manager: {{host: no.such.host.invalid}}\n")
    done = on_demand.run()
    assert done.code == 1
    assert "no.such.host.invalid" in done.said.split("Error in rule first")[1]
    assert "Traceback" not in done.said
    assert pool.is_gone


def test_it_is_kept_between_steps_when_others_leave(on_demand: Workflow, pool: Visited) -> None:
    process, other = on_demand.start(), pool.start("results")
    try:
        pool.went_well(other, "results")
        until((on_demand.path / "first.txt").exists)
        until(lambda: pool.workers == [])
        pool.stays(4)
        on_demand.write("go", "")
        said, _ = process.communicate(timeout=150)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0, said
    assert on_demand.read("last.txt") == "no pool\nfirst\nlast\n"
    assert len(pool.runs()) == 2
    pool.goes()
