"""The executor: Snakemake's scheduler on one side, a dodas backend on the other.

It is no ``RemoteExecutor``: that one polls the state of jobs from a thread of its own.  A backend tells what
happens, and what it tells is passed on at once.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any

from snakemake_interface_common.exceptions import WorkflowError
from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo
from snakemake_interface_executor_plugins.executors.real import RealExecutor
from snakemake_interface_executor_plugins.settings import ExecMode, SharedFSUsage

if TYPE_CHECKING:
    from snakemake_executor_plugin_dodas.run import Run

# By default Snakemake starts at most 100 jobs a second, and a timer for that makes a worker wait for a second
# at its end.  Without a time span it does not; a group would spin, so it keeps one.
_WORKER = "--quiet progress host --max-jobs-per-timespan {limit} --cores {cores}"


class Executor(RealExecutor):
    """What Snakemake talks to."""

    _run: Run | None = None

    def __post_init__(self) -> None:
        """Connect to the backend; a pool that a file describes comes up when the first job is to run."""
        # Snakemake imports this module at every start; the rest of dodas is needed now.
        from dodas.errors import DodasError  # noqa: PLC0415
        from snakemake_executor_plugin_dodas.run import comes_later  # noqa: PLC0415
        from snakemake_executor_plugin_dodas.step.allotment import settle_handover  # noqa: PLC0415

        if self.workflow.remote_execution_settings.immediate_submit:
            raise WorkflowError("--immediate-submit is not supported by the executor dodas")
        self._started = time.monotonic()
        dag: Any = self.dag
        if len(dag) == 0:
            return  # with nothing to be done, Snakemake does not call shutdown()
        settle_handover(self.workflow)
        try:
            if not comes_later(self.executor_settings):
                self._opened()
        except DodasError as error:
            raise WorkflowError(f"{error}\n{error.hint}".rstrip()) from error
        rules: Any = getattr(self.workflow, "rules", ())
        if any(getattr(rule, "container_img", None) for rule in rules):
            off = getattr(self.executor_settings, "containers", "on") == "off"
            how = "ignored, as --dodas-containers off asks for" if off else "run by dodas"
            self.logger.info(f"Containers: {how}; what Snakemake says of Singularity does not apply")

    def _opened(self) -> Run:
        """Return the run, which begins when it is first asked for."""
        from snakemake_executor_plugin_dodas.run import open_run  # noqa: PLC0415

        if self._run is None:
            self._run = open_run(self, worker=self._worker)
        return self._run

    def run_jobs(self, jobs: list[Any]) -> None:
        """Start jobs, all that the scheduler has chosen at once."""
        from dodas.errors import DodasError  # noqa: PLC0415

        usage = self.workflow.storage_settings.shared_fs_usage
        shared = {SharedFSUsage.INPUT_OUTPUT, SharedFSUsage.STORAGE_LOCAL_COPIES} <= set(usage)
        try:
            run = self._opened()
        except DodasError as error:
            for job in jobs:
                self.begins(job)
                self.broke(job, error)
        else:
            run.start(jobs, shared_files=shared)

    def run_job(self, job: Any) -> None:
        """Start one job."""
        self.run_jobs([job])

    def begins(self, job: Any) -> None:
        """Tell the user."""
        self.run_job_pre(job)

    def submitted(self, job: Any, words: Mapping[Any, str]) -> None:
        """Tell the scheduler, and let Snakemake take note of the jobs under way."""
        self.report_job_submission(SubmittedJobInfo(job, external_jobid=words.get(job)))
        if job.is_group():
            self.goes_on(words)

    def goes_on(self, words: Mapping[Any, str]) -> None:
        """Let Snakemake take note of jobs under way."""
        for job, word in words.items():
            with suppress(OSError):  # nothing is lost but the way back after a kill
                job.register(external_jobid=word)

    def delayed(self, job: Any, why: str) -> None:
        """Tell the user."""
        self.logger.info(f"Job {job.jobid} ({job.name}): {why}")

    def succeeded(self, job: Any) -> None:
        """Tell the scheduler."""
        self.report_job_success(SubmittedJobInfo(job))

    def failed(self, job: Any, reason: str, logs: list[str]) -> None:
        """Tell the scheduler, and the user why."""
        if job.is_group():
            self.logger.error(f"Error in group {job.name}: {reason}")  # Snakemake shows no message there
        self.report_job_error(SubmittedJobInfo(job), msg=reason, aux_logs=logs)

    def broke(self, job: Any, error: Exception) -> None:
        """Tell the scheduler, and the user what Snakemake or dodas could not do."""
        from dodas.errors import DodasError  # noqa: PLC0415

        if isinstance(error, DodasError):
            self.failed(job, f"{error}\n{error.hint}".rstrip(), [])
        else:
            linemaps = getattr(self.workflow, "linemaps", None)
            import_module("snakemake.exceptions").print_exception(error, linemaps)
            with suppress(Exception):  # describing the job may fail as its course did
                self.print_job_error(SubmittedJobInfo(job), msg="the job cannot be run; the reason is above")
            scheduler: Any = self.workflow.scheduler
            scheduler.error_callback(job)

    def cancel(self) -> None:
        """End all steps and leave nothing behind."""
        try:
            if self._run is not None:
                self._run.cancel()
        finally:
            self.shutdown()

    def shutdown(self) -> None:
        """End the run."""
        totals = self._run.close() if self._run is not None else None
        if self._run is not None and totals is not None:
            seconds = time.monotonic() - self._started
            self.logger.info(totals.line(seconds))
            self._run.report(self.logger, seconds)

    def get_exec_mode(self) -> ExecMode:
        """Return how a second Snakemake has to behave."""
        return ExecMode.REMOTE

    def get_python_executable(self) -> str:
        """Return the Python for a second Snakemake."""
        return sys.executable

    @property
    def cores(self) -> str:
        """The default for a second Snakemake; see :meth:`_worker`."""
        return "all"

    def _worker(self, job: Any, cores: int) -> str:
        from snakemake_executor_plugin_dodas.second.words import quoted  # noqa: PLC0415

        limit = "1000/1s" if job.is_group() else "100/0s"
        # Of options that are given twice Snakemake takes the last.
        return f"{quoted(self.format_job_exec(job), job)} {_WORKER.format(limit=limit, cores=cores)}"
