"""One run of Snakemake with dodas: what is set up at its start and torn down at its end."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from snakemake_interface_executor_plugins.settings import SharedFSUsage

from dodas.errors import DodasError
from dodas.shims import program
from dodas.step import Mount
from snakemake_executor_plugin_dodas import checks, coming, releases
from snakemake_executor_plugin_dodas.backends import connect
from snakemake_executor_plugin_dodas.command import capture
from snakemake_executor_plugin_dodas.command.direct import Director
from snakemake_executor_plugin_dodas.course.course import Planner
from snakemake_executor_plugin_dodas.course.explain import Explanation
from snakemake_executor_plugin_dodas.course.modes import Asked
from snakemake_executor_plugin_dodas.flight.flights import Flights
from snakemake_executor_plugin_dodas.second.images import Apptainer
from snakemake_executor_plugin_dodas.settings import ExecutorSettings
from snakemake_executor_plugin_dodas.step.allotment import lacking_gpus
from snakemake_executor_plugin_dodas.step.steps import Site, Worker
from snakemake_executor_plugin_dodas.step.volumes import parse_volume
from snakemake_executor_plugin_dodas.told.reports import Totals
from snakemake_executor_plugin_dodas.used.summary import summary

_RUN = re.compile(r"\d{4}-\d\d-\d\dT\d{6}\.\d{6}")
_KEPT_RUNS = 9  # and the one that begins
# What Snakemake has to see of files to work as if all jobs saw them too.
_VIEWS = {SharedFSUsage.INPUT_OUTPUT, SharedFSUsage.STORAGE_LOCAL_COPIES}


class Run:
    """Jobs go in, reports come out at the executor."""

    def __init__(
        self,
        planner: Planner,
        flights: Flights,
        logs: str,
        report: str | None,
        explanation: Explanation,
    ) -> None:
        self._planner = planner
        self._explanation = explanation
        self._flights = flights
        self._logs = logs
        self._report = report
        self._cancelled = False
        self._closed = False

    def start(self, jobs: Sequence[Any], *, shared_files: bool) -> None:
        """Start jobs; see :class:`~snakemake_executor_plugin_dodas.flight.flights.Flights`."""
        self._explanation.of(jobs)  # a checkpoint may have brought new ones
        self._flights.start((job, self._planner.course(job, shared_files=shared_files)) for job in jobs)

    def cancel(self) -> None:
        """Ask all steps to end."""
        self._cancelled = True
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

    def report(self, logger: Any, seconds: float) -> None:
        """Tell what is worth a look about the resources of rules, and write the file that the user wants.

        Args:
            logger: Takes what to tell, also that the file cannot be written.
            seconds: How long the run took.
        """
        uses = list(self._flights.efficiency)
        if told := summary(uses):
            logger.info(told)
        if self._report:
            from snakemake_executor_plugin_dodas.used.files import write  # noqa: PLC0415 - asked for by few

            try:
                complete = not self._cancelled
                write(self._report, uses, began=time.time() - seconds, seconds=seconds, complete=complete)
            except OSError as error:
                logger.warning(f"--dodas-report {self._report}: cannot be written: {error.strerror or error}")


def comes_later(settings: ExecutorSettings | None) -> bool:
    """Return whether there need be no backend before there is a job for it: that of a pool to be brought up.

    Raises:
        SpecError: The pool's file will not do.
    """
    if settings is None or not settings.pool:
        return False
    # Needed by few, and slow to import.
    from dodas.pool.visits import is_file  # noqa: PLC0415

    if not is_file(settings.pool):
        return False
    from dodas.pool.description.reading import read  # noqa: PLC0415

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
    with checks.naming("volume", settings.volume):
        volumes = tuple(map(parse_volume, settings.volume))
    logs = _new_logs(state)
    place = connect(settings, logs=logs, state=state, cores=workflow.resource_settings.cores)
    capture.install()
    for sentence in lacking_gpus(executor.dag.needrun_jobs(), place.ceiling):
        executor.logger.warning(sentence)
    if place.ceiling.cores is not None:
        _limit_threads(workflow.resource_settings, max(1, int(place.ceiling.cores)))
    methods = coming.deployment_methods(workflow)
    site = Site(
        workdir=workdir,
        logs=logs,
        declared=dict(executor.envvars()),
        guesses=releases.own_guesses(workflow),
        ceiling=place.ceiling,
        volumes=volumes,
        network=settings.network == "host",
        image=settings.image or "",
        containers=settings.containers == "on",
        here=place.here,
        shared=place.shared,
        apptainer=_apptainer(workflow, settings, volumes) if place.here else None,
    )
    director = Director(
        workflow,
        keep_scripts=not workflow.execution_settings.cleanup_scripts,
        conda="conda" in methods,
        env_modules="envmodules" in methods,
    )
    usage = set(workflow.storage_settings.shared_fs_usage)
    seen = usage & _VIEWS
    # On a disk that is shared, local copies of several jobs would have the same paths.
    left = not seen and not place.shared
    planner = Planner(workflow, site, director, worker, place.past, left=left)
    flights = Flights(
        place.backend, executor, here=place.here, secrets=site.declared, finished=place.finished
    )
    shared_files = seen == _VIEWS

    def ask(job: Any) -> Asked:
        return Asked(job=job, shared_files=shared_files, shared_disk=place.shared, left=left, here=place.here)

    def container(job: Any) -> str | None:
        return None if director.has_environment(job) else site.container(job)

    def contained(job: Any) -> bool:
        return coming.image_of(job) is not None and (site.apptainer is not None or "apptainer" in methods)

    tell = executor.logger.info if settings.explain else None
    explanation = Explanation(ask, container, contained, tell=tell, warn=executor.logger.warning)
    if settings.explain:
        explanation.of(executor.dag.get_job_group(job) or job for job in executor.dag.needrun_jobs())
    return Run(planner, flights, logs, settings.report, explanation)


def _apptainer(workflow: Any, settings: ExecutorSettings, volumes: tuple[Mount, ...]) -> Apptainer | None:
    """Return what gives jobs of a second Snakemake their containers, if there are any to be given."""
    chosen = coming.deployment_options(workflow)
    images = any(getattr(rule, "container_img", None) for rule in workflow.rules)
    if settings.containers != "on" or not images or chosen is None or "apptainer" in chosen:
        return None
    try:
        folder = program.make()
    except DodasError:
        return None  # of jobs that would need it, it is said that they go without
    return Apptainer(
        folder=folder,
        methods=chosen,
        arguments=workflow.deployment_settings.apptainer_args or "",
        volumes=volumes,
        network=settings.network == "host",
        engine=settings.engine or "",
    )


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
