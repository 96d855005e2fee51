"""The executor and the Snakemake that comes: its interface has other names."""

from __future__ import annotations

import os
import subprocess
import sys
from types import SimpleNamespace

import pytest
from snakemake.settings.types import DeploymentSettings
from snakemake_interface_executor_plugins import settings

from snakemake_executor_plugin_dodas.coming import deployment_methods
from snakemake_runs import ROOTS

TODAY = getattr(settings, "DeploymentMethod", None)


@pytest.mark.skipif(TODAY is None, reason="this is the next interface")
def test_the_methods_that_snakemake_9_tells() -> None:
    assert TODAY is not None
    chosen = DeploymentSettings(deployment_method={TODAY.CONDA, TODAY.ENV_MODULES})
    assert deployment_methods(SimpleNamespace(deployment_settings=chosen)) == {"conda", "envmodules"}
    chosen = DeploymentSettings()
    assert deployment_methods(SimpleNamespace(deployment_settings=chosen)) == set()


def test_the_methods_that_the_next_one_tells() -> None:
    chosen = SimpleNamespace(deployment_methods={"conda", "envmodules", "dodas"})
    names = deployment_methods(SimpleNamespace(deployment_settings=chosen))
    assert names == {"conda", "envmodules", "dodas"}


def test_no_module_of_the_executor_needs_names_that_go() -> None:
    program = """
import importlib, pkgutil, sys
from snakemake_interface_executor_plugins import settings
vars(settings).pop("DeploymentMethod", None)
import snakemake_executor_plugin_dodas as plugin
for one in pkgutil.iter_modules(plugin.__path__):
    importlib.import_module(f"{plugin.__name__}.{one.name}")
"""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(ROOTS)}
    done = subprocess.run(
        [sys.executable, "-c", program], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
