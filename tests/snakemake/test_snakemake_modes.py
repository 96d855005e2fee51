"""In which way jobs are run, what is said of it, and the options: what the documentation says is so."""

from __future__ import annotations

import re
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import pytest
from snakemake.cli import get_argument_parser
from snakemake_interface_common.exceptions import WorkflowError
from snakemake_interface_executor_plugins.registry import ExecutorPluginRegistry

from snakemake_executor_plugin_dodas import ExecutorSettings
from snakemake_executor_plugin_dodas.course.modes import CASES
from snakemake_recorder import Recorder, run
from snakemake_runs import RELEASE, Workflow

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")

PAGE = Path(__file__).parents[2] / "docs/snakemake.md"

SNAKEFILE = """
localrules: kept

rule all:
    input: "kept", "shell", "block", "second", "made", "piped", "found"

rule kept:
    output: "kept"
    shell: "echo > {output}"

rule shell:
    output: "shell"
    container: "docker://tool:1"
    shell: "echo > {output}"

rule block:
    output: "block"
    run:
        open(output[0], "w").close()

rule first:
    output: "first"
    group: "pair"
    shell: "echo > {output}"

rule second:
    input: "first"
    output: "second"
    group: "pair"
    shell: "cp {input} {output}"

rule make:
    output: "make"
    group: "mixed"
    shell: "echo > {output}"

rule made:
    input: "make"
    output: "made"
    group: "mixed"
    run:
        shell("cp {input} {output}")

rule source:
    output: pipe("pipe")
    shell: "echo > {output}"

rule piped:
    input: "pipe"
    output: "piped"
    shell: "cat {input} > {output}"

checkpoint split:
    output: directory("parts")
    shell: "mkdir {output}; touch {output}/a"

rule late:
    input: "parts/{i}"
    output: "late/{i}"
    shell: "cp {input} {output}"

def found(wildcards):
    return expand("late/{i}", i=glob_wildcards(checkpoints.split.get().output[0] + "/{i}").i)

rule found:
    input: found
    output: "found"
    shell: "echo > {output}"
"""


def table(section: str) -> list[list[str]]:
    """Return the cells of the first table of a section, without its head."""
    text = PAGE.read_text().partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines[2:]]


def test_the_documentation_has_the_rule() -> None:
    assert table("How jobs are run") == [[case.what, case.mode.value, case.why] for case in CASES]


def test_the_documentation_has_the_options() -> None:
    rows = {row[0].strip("`").split()[0]: row for row in table("Options")}
    plugin = ExecutorPluginRegistry().get_plugin("dodas")
    known = {plugin.get_cli_arg(field.name): field for field in fields(ExecutorSettings)}
    assert set(rows) == set(known)
    for option, field in known.items():
        form, default, variable, what = rows[option]
        has_default = field.default not in (None, MISSING, False)
        assert default.startswith("`") == has_default or not has_default, option
        if has_default:
            assert default == f"`{field.default}`"
        words = form.strip("`").replace("\\|", "|").split(maxsplit=1)
        if choices := field.metadata.get("choices"):
            assert set(words[1].split("|")) == set(choices)
        assert variable == (f"`{plugin.get_envvar(field.name)}`" if field.metadata.get("env_var") else "")
        assert what


def test_options_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"BACKEND": "htcondor", "CORES": "3", "IMAGE": "docker://a", "MEMORY": "1GB"}.items():
        monkeypatch.setenv(f"SNAKEMAKE_DODAS_{name}", value)
    args = get_argument_parser().parse_args(["--executor", "dodas", "--dodas-memory", "2GB"])
    settings: Any = ExecutorPluginRegistry().get_plugin("dodas").get_settings(args)
    assert (settings.backend, settings.cores, settings.image) == ("htcondor", 3, "docker://a")
    assert settings.memory == "2GB"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"memory": "8 apples"}, "--dodas-memory 8 apples: "),
        ({"memory": "0"}, "--dodas-memory 0: "),
        ({"cores": 0}, "--dodas-cores 0: "),
        ({"bundle": "some"}, "--dodas-bundle some: "),
        ({"condor": ["rank"]}, "--dodas-condor rank: "),
        ({"engine": "docker"}, "--dodas-engine docker: there is no such engine"),
        ({"image": "tool.sif"}, "--dodas-image tool.sif: "),
        (
            {"image": "docker://a", "containers": "off"},
            "--dodas-image makes no sense with --dodas-containers",
        ),
    ],
)
def test_what_is_wrong_with_an_option_is_told_at_once(options: dict[str, Any], said: str) -> None:
    with pytest.raises(WorkflowError) as caught:
        ExecutorSettings(**options)
    assert str(caught.value).startswith(said)


def test_a_volume_that_is_not_there_is_told(tmp_path: Path) -> None:
    text = 'rule one:\n output: "one"\n shell: "echo > {output}"\n'
    assert not run(tmp_path, text, backend := Recorder(), volume=["no/such/place"])
    assert not backend.steps


def test_wrong_options_end_a_dry_run_and_engines_that_do_not_work_a_run(workflow: Workflow) -> None:
    workflow.write("Snakefile", 'rule one:\n output: "one"\n shell: "echo > {output}"\n')
    # Early releases read the options of an executor when they use it.
    done = workflow.run(*(["--dry-run"] if RELEASE >= (9, 27) else []), "--dodas-memory", "8 apples")
    assert done.code == 1
    assert "--dodas-memory 8 apples: '8 apples' is not a size" in done.said
    workflow.env.update(SNAKEMAKE_DODAS_ENGINE="udocker-S1", DODAS_CACHE=str(workflow.path.parent / "dodas"))
    done = workflow.run()
    assert done.code == 1
    assert "--dodas-engine udocker-S1: " in done.said
    assert not (workflow.path / "one").exists()


def test_each_kind_is_run_in_its_way(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    backend = Recorder()
    assert run(tmp_path, SNAKEFILE, backend, explain=True), capfd.readouterr().err
    said = capfd.readouterr().err
    direct = {name for name, step in backend.steps.items() if "snakemake" not in step.argv}
    assert direct == {"shell", "first", "second", "split", "late", "found"}
    assert len(backend.steps) == 9
    lines = [line.strip() for line in said.splitlines()]
    for name, mode, where in (
        ("kept", "main process", "without a container"),
        ("shell", "direct", "in the container docker://tool:1"),
        ("block", "worker", "without a container"),
        ("second", "direct", "without a container"),
        ("made (in group mixed)", "worker", "without a container"),
        ("late", "direct", "without a container"),
    ):
        assert any(line.startswith(f"rule {name}: {mode}, {where}, because ") for line in lines), said
    assert any(line.startswith("group pair: layers, because ") for line in lines)


def test_who_runs_a_job_elsewhere_has_no_container_for_a_second_snakemake(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    text = 'rule one:\n output: "one"\n container: "docker://tool"\n run: shell("echo > {output}")\n'
    backend = Recorder()
    assert run(tmp_path, text, backend, here=False, explain=True)
    said = capfd.readouterr().err
    assert "rule one runs without the container docker://tool, because it has a run block" in said
    assert "rule one: worker, without its container docker://tool, because" in said


def test_containers_can_be_off(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    text = 'rule one:\n output: "one"\n container: "docker://tool"\n shell: "echo > {output}"\n'
    backend = Recorder()
    assert run(tmp_path, text, backend, containers="off")
    assert backend.steps["one"].image is None
    assert "Containers: ignored" in capfd.readouterr().err
