"""The one evaluating thread: takes jobs from cwltool, hands over steps, reacts to what ended."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING, Any

from dodas.backend import Backend, Finished
from dodas.cli.progress import Show
from dodas.containers.removal import remove_tree
from dodas.errors import DodasError
from dodas.step import Failure, Result
from dodas_cwl import inputs, translate
from dodas_cwl.areas import Area, locations
from dodas_cwl.aside import set_aside
from dodas_cwl.flights import Flights
from dodas_cwl.jobs import StepJob
from dodas_cwl.literals import make_room
from dodas_cwl.publish import publish
from dodas_cwl.records.recording import Recording
from dodas_cwl.reference import (
    JobExecutor,
    Process,
    RuntimeContext,
    UnsupportedRequirement,
    WorkflowException,
    WorkflowJob,
    log,
)
from dodas_cwl.remote import Remote, canonical
from dodas_cwl.tools import Recalled

if TYPE_CHECKING:
    from dodas_cwl.reuse.results import Reuse


class SubmittingExecutor(JobExecutor):
    """Evaluates a workflow while a backend runs its steps.

    Nothing blocks but the wait for the next event, and only when there is nothing left to evaluate.

    Args:
        open_backend: Makes the backend, which lives as long as the steps of one workflow.
        open_display: Makes what is shown of the events.
        check: Raises UnsupportedRequirement for a requirement or hint that can never be met.
        remote: Knows what is at URLs.
        target: URL of the directory for the outputs of the workflow; empty if they stay on this machine.
        reuse: Has results of earlier runs, and keeps those of this one; ``None`` for neither.
    """

    def __init__(
        self,
        open_backend: Callable[[], AbstractContextManager[Backend]],
        open_display: Callable[[], AbstractContextManager[Show]],
        check: Callable[[Mapping[str, Any]], None],
        remote: Remote,
        *,
        target: str = "",
        reuse: Reuse | None = None,
    ) -> None:
        super().__init__()
        self._open_backend = open_backend
        self._open_display = open_display
        self._check = check
        self._remote = remote
        self._target = target
        self._reuse = reuse
        self._area = Area(target)
        self._away = False  # whether steps bring what they make to the storage themselves
        self._put_back: Callable[[], None] = _nothing
        self._outdir = self._copies = ""
        self._numbers = count(1)
        self._jobs: dict[str, StepJob] = {}
        self._stopping = False
        self.kept: list[str] = []

    def execute(
        self,
        process: Process,
        job_order_object: Any,
        runtime_context: RuntimeContext,
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        """Run the workflow; return its output object and status."""
        inputs.check(process, job_order_object)
        order = translate.plain(job_order_object)
        canonical(order)
        self._outdir = os.path.abspath(runtime_context.outdir or os.curdir)
        try:
            answer = super().execute(process, order, runtime_context, *args, **kwargs)
        finally:
            if self._copies:
                remove_tree(self._copies)
        self._put_back()
        return answer

    def run_jobs(
        self,
        process: Process,
        job_order_object: Any,
        logger: Any,
        runtime_context: RuntimeContext,
    ) -> None:
        """Evaluate until there is nothing left to evaluate and nothing under way."""
        process.visit(self._check_document)
        if runtime_context.validate_only:
            _validate(process, job_order_object, self.output_callback, runtime_context)
            return
        lock = runtime_context.workflow_eval_lock
        assert lock is not None  # noqa: S101 - JobExecutor.execute makes it
        self._recording = Recording(process, job_order_object, runtime_context)
        try:
            with lock, self._open_display() as self._show, self._open_backend() as backend:
                self._flights = Flights(backend)
                self._away = bool(self._target) and not getattr(backend, "shared", True)
                self._evaluate(process, job_order_object, runtime_context)
            if self._reuse is not None:
                self._reuse.tell()
            self._finish()
        except DodasError as error:
            # cwltool turns its own errors into a message and a status; anything else would end in a trace.
            raise WorkflowException(f"{error}\n{error.hint}".rstrip()) from error
        finally:
            self._recording.over({}, translate.PERMANENT)  # unless it was told already

    def _check_document(self, document: Any) -> None:
        for field in ("requirements", "hints"):
            for item in document.get(field, ()):
                self._check(item)
                if self._reuse is not None:
                    self._reuse.check(item)

    def _evaluate(self, process: Process, order: Any, rc: RuntimeContext) -> None:
        for job in process.job(order, self.output_callback, rc):
            if isinstance(job, StepJob):
                self._take(job, rc)
            elif job is not None:
                if isinstance(job, Recalled):
                    self.output_dirs.add(job.outdir)
                    self._area.made(locations(job.outputs))
                job.run(rc)
            elif self._flights:
                self._follow(rc, wait=True)
            else:
                if not self._stopping:
                    log.error("the workflow cannot go on: its remaining steps wait for each other")
                break
        while self._flights:
            self._follow(rc, wait=True)

    def _finish(self) -> None:
        """Bring the outputs of the workflow to a storage, or keep what is on one from being moved about."""
        for outputs, status in zip(self.final_output, self.final_status, strict=True):
            self._recording.over(outputs, status)
        for outputs in filter(None, self.final_output):
            if self._target:
                publish(self._remote.storage, outputs, self._target)
                self._area.clear(self._remote.storage, outputs)
            else:
                self._give_out(outputs)
                make_room(outputs, self._outdir)
                self._put_back = set_aside(outputs)

    def _give_out(self, outputs: Any) -> None:
        """Have copies of what is kept for later runs, which cwltool may then move."""
        if self._reuse is not None:
            self._copies = self._reuse.give_out(outputs, self._outdir)
            self.output_dirs.add(self._copies)

    def _take(self, job: StepJob, rc: RuntimeContext) -> None:
        job.builder = rc.builder or job.builder
        self.output_dirs.add(job.outdir)
        if self._stopping:
            job.give(None, translate.PERMANENT)
            return
        known = None if self._reuse is None else self._reuse.find(job, rc)
        if known is not None:
            self._recording.ended(job, known, translate.SUCCESS, reused=True)
            job.give(known, translate.SUCCESS)
            self._follow(rc, wait=False)
            return
        desk = job.desk
        key = translate.step_id(desk.key or next(self._numbers), desk.label or job.name)
        if self._away:
            job.target = self._area.place(key)
        try:
            step = job.step(key, rc)
        except UnsupportedRequirement:
            raise
        except Exception as error:  # this job's failure, of which the workflow must hear
            log.error("[job %s] cannot be started: %s", job.name, error, exc_info=rc.debug)
            self._recording.ended(job, None, translate.PERMANENT)
            job.give(None, translate.PERMANENT)
            self._stop_on_error(rc)
            return
        self._jobs[key] = job
        self._recording.watch(job)
        self._show.expect(step)
        self._flights.add(step)
        self._follow(rc, wait=False)

    def _follow(self, rc: RuntimeContext, *, wait: bool) -> None:
        # A list: what follows may ask the backend to cancel, which is not for the middle of its answer.
        for event in list(self._flights.events(wait=wait)):
            if isinstance(event, Finished):
                job = self._jobs.pop(event.step)
                self._show(replace(event, result=self._settle(job, event.result, rc)))
            else:
                self._show(event)

    def _settle(self, job: StepJob, result: Result, rc: RuntimeContext) -> Result:
        status = job.finish(result, rc)
        self._area.made(job.made)
        if status == translate.SUCCESS:
            return replace(result, failure=None, reason="")
        self._stop_on_error(rc)
        if job.kept:
            self.output_dirs.discard(job.outdir)
            self.kept.append(job.outdir)
        return replace(
            result,
            failure=result.failure or Failure.TOOL,
            reason=result.reason or job.problem,
            scratch=job.outdir if job.kept else None,
        )

    def _stop_on_error(self, rc: RuntimeContext) -> None:
        if rc.on_error == "stop" and not self._stopping:
            self._stopping = True
            self._flights.cancel()


def _nothing() -> None:
    """Do nothing."""


def _validate(process: Process, order: Any, callback: Any, rc: RuntimeContext) -> None:
    # As SingleJobExecutor: the first job exists only if document and inputs agree.
    job = next((job for job in process.job(order, callback, rc) if job is not None), None)
    name = job.tool.lc.filename if isinstance(job, WorkflowJob) else getattr(job, "name", str(job))
    print(f"{name} is valid CWL. No errors detected in the inputs.", file=rc.validate_stdout)
