"""A plugin for pytest: runs Snakemake's own tests with another executor, and notes how each ended.

Nearly all of them go through one function, ``tests.common.run``.  It is replaced before the tests import it.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

# `run` itself gives these jobs to Snakemake; a test that says more does so to both executors.
_CORES = 3
_CLUSTER_JOBS = 3


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of this plugin."""
    parser.addoption("--swap-executor", default="local", help="executor where a test names none")
    parser.addoption("--outcomes", type=Path, help="file for a line of JSON about each phase of a test")


def pytest_configure(config: pytest.Config) -> None:
    """Replace ``run``, in this process and in each worker of pytest-xdist."""
    sys.path.insert(0, str(config.rootpath))
    executor = config.getoption("--swap-executor")
    if executor != "local":
        common: Any = import_module("tests.common")
        common.run = swapped(common.run, executor)
    outcomes = config.getoption("--outcomes")
    if outcomes is not None and not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Notes(outcomes))


def swapped(run: Callable[..., Any], executor: str) -> Callable[..., Any]:
    """Return what does as ``run`` does, with ``executor`` for what would be run locally or on a cluster.

    But not if the test has a cluster that fails all jobs, to see in its log which ones were submitted.
    """
    registry: Any = import_module("snakemake_interface_executor_plugins.registry")
    settings = registry.ExecutorPluginRegistry().get_plugin(executor).settings_cls

    def swapped_run(path: Any, *arguments: Any, **options: Any) -> Any:
        if options.get("shellcmd"):
            options["shellcmd"] = with_executor(options["shellcmd"], executor)
        elif options.get("executor", "local") == "local" and not options.get("cluster_status"):
            clustered = options.pop("cluster", None) is not None
            options["nodes"] = (
                _CLUSTER_JOBS if clustered else options.get("nodes") or options.get("cores", _CORES)
            )
            options.update(executor=executor, executor_settings=settings())
        return run(path, *arguments, **options)

    return swapped_run


def with_executor(command: str, executor: str) -> str:
    """Return a command line of Snakemake with ``executor``, unless it names one."""
    if re.search(r"(^|\s)(--executor|-e)\b", command):
        return command
    return command.replace("snakemake", f"snakemake --executor {executor} --jobs {_CORES}", 1)


class _Notes:
    """Writes how tests end, at once: a process that never ends loses none of it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Write one line about a phase of a test."""
        note = {
            "test": report.nodeid.partition("::")[2] or report.nodeid,
            "outcome": report.outcome,
            "seconds": round(report.duration, 2),
            "why": _last_line(report),
        }
        with self._path.open("a") as file:
            print(json.dumps(note), file=file)


def _last_line(report: pytest.TestReport) -> str:
    if report.outcome == "passed":
        return ""
    if isinstance(report.longrepr, tuple):  # of a test that is skipped: path, line, reason
        return str(report.longrepr[-1])
    crash = getattr(report.longrepr, "reprcrash", None)
    text = str(report.longrepr) if crash is None else crash.message
    return next((line.strip() for line in text.splitlines() if line.strip()), "")[:300]
