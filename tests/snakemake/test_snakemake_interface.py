"""What Snakemake asks of every executor, and what it costs to have this one installed."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest
from snakemake.common.tests import TestWorkflowsLocalStorageBase
from snakemake_interface_executor_plugins.registry import ExecutorPluginRegistry

from snakemake_executor_plugin_dodas import ExecutorSettings
from snakemake_runs import ROOTS, Workflow


@pytest.mark.filterwarnings("ignore")  # Snakemake's own, which runs in this process here
class TestInterface(TestWorkflowsLocalStorageBase):  # type: ignore[misc]
    """The suite that comes with Snakemake for executor plugins."""

    __test__ = True

    def get_executor(self) -> str:
        return "dodas"

    def get_executor_settings(self) -> ExecutorSettings:
        return ExecutorSettings()


def test_the_plugin_is_valid() -> None:
    plugin: Any = ExecutorPluginRegistry().get_plugin("dodas")
    assert plugin.settings_cls is ExecutorSettings
    assert plugin.common_settings.non_local_exec


def test_being_installed_costs_nothing_but_the_interface() -> None:
    program = """
import __future__, contextlib, importlib, time, sys
import snakemake_interface_executor_plugins.executors.real
import snakemake_interface_executor_plugins.settings
before = set(sys.modules)
import snakemake_executor_plugin_dodas
print(*sorted(set(sys.modules) - before))
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(ROOTS)},
    )
    assert done.stdout.split() == [
        "snakemake_executor_plugin_dodas",
        "snakemake_executor_plugin_dodas.executor",
        "snakemake_executor_plugin_dodas.settings",
    ]


def test_options_are_in_the_help(workflow: Workflow) -> None:
    said = workflow.run("--help").said
    for name in ("backend", "engine", "cores", "memory", "network", "volume", "image-pull"):
        assert f"--dodas-{name}" in said


def test_options_come_from_a_profile_too(workflow: Workflow) -> None:
    workflow.write("Snakefile", 'rule one:\n output: "x"\n threads: 9\n shell: "echo {threads} > {output}"\n')
    workflow.write("profile/config.yaml", "dodas-cores: 3\ndodas-volume: [/usr, /etc]\n")
    done = workflow.run("--profile", "profile")
    assert done.code == 0, done.said
    assert workflow.read("x") == "3\n"


def test_immediate_submit_is_refused(workflow: Workflow) -> None:
    workflow.write("Snakefile", 'rule one:\n output: "x"\n shell: "echo x > {output}"\n')
    done = workflow.run("--immediate-submit", "--notemp")
    assert done.code == 1
    assert "--immediate-submit is not supported" in done.said
