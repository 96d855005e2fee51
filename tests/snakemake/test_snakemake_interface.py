"""What Snakemake asks of every executor, and what it costs to have this one installed."""

from __future__ import annotations

from typing import Any

import pytest
from snakemake.common.tests import TestWorkflowsLocalStorageBase
from snakemake_interface_common.plugin_registry.tests import TestRegistryBase
from snakemake_interface_executor_plugins.registry import ExecutorPluginRegistry

from snakemake_executor_plugin_dodas import ExecutorSettings
from snakemake_runs import Workflow, imported_with


@pytest.mark.filterwarnings("ignore")  # Snakemake's own, which runs in this process here
class TestInterface(TestWorkflowsLocalStorageBase):  # type: ignore[misc]
    """The suite that comes with Snakemake for executor plugins."""

    __test__ = True

    def get_executor(self) -> str:
        return "dodas"

    def get_executor_settings(self) -> ExecutorSettings:
        return ExecutorSettings()


class TestRegistry(TestRegistryBase):
    """The suite that comes with Snakemake's interface for what a plugin says of itself."""

    __test__ = True

    def get_registry(self) -> ExecutorPluginRegistry:
        # Other executors may be installed, and it takes all options for those of the one plugin.
        registry: Any = object.__new__(ExecutorPluginRegistry)
        registry.plugins = {"dodas": ExecutorPluginRegistry().get_plugin("dodas")}
        return registry  # type: ignore[no-any-return]

    def get_test_plugin_name(self) -> str:
        return "dodas"

    def validate_plugin(self, plugin: Any) -> None:
        assert plugin.settings_cls is ExecutorSettings
        assert plugin.common_settings.non_local_exec

    def get_example_args(self) -> list[str]:
        return ["--dodas-backend", "htcondor", "--dodas-cores", "3", "--dodas-volume", "/usr", "/etc:rw"]

    def validate_settings(self, settings: Any, plugin: Any) -> None:
        assert settings == ExecutorSettings(backend="htcondor", cores=3, volume=["/usr", "/etc:rw"])


def test_being_installed_costs_nothing_but_the_interface() -> None:
    before = (
        *("__future__", "contextlib", "importlib", "time"),
        "snakemake_interface_executor_plugins.executors.real",
        "snakemake_interface_executor_plugins.settings",
    )
    assert imported_with("snakemake_executor_plugin_dodas", *before) == [
        "snakemake_executor_plugin_dodas",
        "snakemake_executor_plugin_dodas.executor",
        "snakemake_executor_plugin_dodas.settings",
        "snakemake_executor_plugin_dodas.used",
        "snakemake_executor_plugin_dodas.used.option",
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
