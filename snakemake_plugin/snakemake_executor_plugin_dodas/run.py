"""One run of Snakemake with dodas: what is set up at its start and torn down at its end."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from snakemake_interface_executor_plugins.settings import DeploymentMethod, SharedFSUsage

from snakemake_executor_plugin_dodas import capture, releases
from snakemake_executor_plugin_dodas.backends import connect
from snakemake_executor_plugin_dodas.course import Planner
from snakemake_executor_plugin_dodas.direct import Director
from snakemake_executor_plugin_dodas.flights import Flights
from snakemake_executor_plugin_dodas.reports import Totals
from snakemake_executor_plugin_dodas.settings import ExecutorSettings
from snakemake_executor_plugin_dodas.steps import Site, Worker
from snakemake_executor_plugin_dodas.volumes import parse_volume

_RUN = re.compile(r"\d{4}-\d\d-\d\dT\d{6}\.\d{6}")
_KEPT_RUNS = 9  # and the one that begins


class Run:
    """Jobs go in, reports come out at the executor."""

    def __init__(self, planner: Planner, flights: Flights, logs: str) -> None:
        self._planner = planner
        self._flights = flights
        self._logs = logs
        self._closed = False

    def start(self, jobs: Sequence[Any], *, shared_files: bool) -> None:
        """Start jobs; see :class:`~snakemake_executor_plugin_dodas.flights.Flights`."""
        self._flights.start((job, self._planner.course(job, shared_files=shared_files)) for job in jobs)

    def cancel(self) -> None:
        """Ask all steps to end."""
        self._flights.cancel()

    def close(self) -> Totals | None:
        """Return the sums over all steps when the last has ended; ``None`` if that was done before."""
        if self._closed:
            return None
        self._closed = True
        self._flights.close()
        # Only those of steps that printed something are left.
        with suppress(OSError):
            os.rmdir(self._logs)
        return self._flights.totals


def comes_later(settings: ExecutorSettings | None) -> bool:
    """Return whether there need be no backend before there is a job for it: that of a pool to be brought up.

    Raises:
        SpecError: The pool's file will not do.
    """
    from dodas.pool.description.reading import read  # noqa: PLC0415 - needed by few
    from dodas.pool.visits import is_file  # noqa: PLC0415

    if settings is None or not settings.pool or not is_file(settings.pool):
        return False
    read(settings.pool)
    return True


def open_run(executor: Any, *, worker: Worker) -> Run:
    """Return a run that reports to ``executor``.

    Raises:
        DodasError: The settings are wrong, or the backend cannot be used here.
    """
    workflow, settings = executor.workflow, executor.executor_settings or ExecutorSettings()
    workdir = os.getcwd()
    state = os.path.join(workdir, ".snakemake", "dodas")
    volumes = tuple(map(parse_volume, settings.volume))
    logs = _new_logs(state)
    place = connect(settings, logs=logs, state=state, cores=workflow.resource_settings.cores)
    capture.install()
    if place.ceiling.cores is not None:
        _limit_threads(workflow.resource_settings, max(1, int(place.ceiling.cores)))
    site = Site(
        workdir=workdir,
        logs=logs,
        declared=releases.declared_variables(executor),
        guesses=releases.own_guesses(workflow),
        ceiling=place.ceiling,
        volumes=volumes,
        network=settings.network == "host",
        image=settings.image or "",
        here=place.here,
        shared=place.shared,
    )
    methods = workflow.deployment_settings.deployment_method
    director = Director(
        workflow,
        keep_scripts=not workflow.execution_settings.cleanup_scripts,
        conda=DeploymentMethod.CONDA in methods,
        env_modules=DeploymentMethod.ENV_MODULES in methods,
    )
    usage = set(workflow.storage_settings.shared_fs_usage)
    seen = usage & {SharedFSUsage.INPUT_OUTPUT, SharedFSUsage.STORAGE_LOCAL_COPIES}
    # On a disk that is shared, local copies of several jobs would have the same paths.
    left = not seen and not place.shared
    planner = Planner(workflow, site, director, worker, place.past, left=left)
    return Run(planner, Flights(place.backend, executor, here=place.here), logs)


def _new_logs(state: str) -> str:
    """Make a directory for the logs of this run and return it; those of long ago go."""
    os.makedirs(state, exist_ok=True)
    runs = sorted(name for name in os.listdir(state) if _RUN.fullmatch(name))
    for name in runs[:-_KEPT_RUNS]:
        shutil.rmtree(os.path.join(state, name), ignore_errors=True)
    logs = os.path.join(state, datetime.now().strftime("%Y-%m-%dT%H%M%S.%f"))
    os.mkdir(logs)
    return logs


def _limit_threads(settings: Any, cores: int) -> None:
    # `{threads}` must not promise more than there is, as with Snakemake's own local execution.
    settings.max_threads = min(cores, settings.max_threads or cores)
