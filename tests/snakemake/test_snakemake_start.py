"""What a run without containers and pools does not pay for."""

from __future__ import annotations

from dataclasses import replace

from snakemake_runs import Workflow

# Needed for a pool, for its description, for containers, for a report.
_FOR_FEW = (
    "dodas.pool",
    "jsonschema",
    "dodas.worker.choose",
    "dodas.containers.store",
    "dodas.containers.prepare",
    "snakemake_executor_plugin_dodas.used.files",
)


def test_what_few_need_is_not_imported(workflow: Workflow) -> None:
    workflow.write("Snakefile", "rule one:\n    output: 'one.txt'\n    shell: 'echo 1 > {output}'\n")
    done = replace(workflow, env={**workflow.env, "PYTHONPROFILEIMPORTTIME": "1"}).run("one.txt")
    lines = [line for line in done.said.splitlines() if line.startswith("import time:")]
    imported = {line.rpartition("|")[2].strip() for line in lines}

    assert done.code == 0, done.said
    assert "dodas.backends.local" in imported
    assert not imported & set(_FOR_FEW)
