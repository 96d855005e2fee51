"""Workflows and expressions whose runs are recorded, each in a document of its own."""

from __future__ import annotations

import os
import time
from collections.abc import Generator
from typing import Any

from dodas_cwl import translate
from dodas_cwl.records import recording
from dodas_cwl.records.activities import Activity, Facts
from dodas_cwl.reference import ExpressionTool, Process, RuntimeContext, Workflow, WorkflowStep, shortname


class RecordedStep(WorkflowStep):
    """A step that gives each run of a workflow in it a document."""

    def job(self, job_order: Any, output_callbacks: Any, runtimeContext: RuntimeContext) -> Any:  # noqa: N803
        """Yield the jobs."""
        inner: Any = self.embedded_tool
        if isinstance(inner, Workflow):
            # Those that cwltool made belong to the workflow, of which there may be many runs.
            before: Any = inner.provenance_object
            inner.provenance_object = before.another()
            self.prov_obj = runtimeContext.prov_obj
        yield from super().job(job_order, output_callbacks, runtimeContext)


class RecordedWorkflow(Workflow):
    """A workflow whose jobs know which document they belong in."""

    def make_workflow_step(self, toolpath_object: Any, pos: int, loadingContext: Any, *more: Any) -> Any:  # noqa: N803
        """Return a step of it."""
        return RecordedStep(toolpath_object, pos, loadingContext, *more)

    def job(self, job_order: Any, output_callbacks: Any, runtimeContext: RuntimeContext) -> Any:  # noqa: N803
        """Yield the jobs."""
        profile: Any = self.provenance_object
        outer: Any = runtimeContext.prov_obj
        profile.begun, began = True, time.time()
        profile.give_up = lambda: note({}, translate.PERMANENT)
        label = runtimeContext.name or ""

        def note(outputs: Any, status: str) -> None:
            if outer is profile:
                return  # of the outermost one the executor tells
            outer.ended(profile.workflow_run_uri, outer.workflow_run_uri)
            activity = Activity(
                id=profile.workflow_run_uri,
                parent=outer.workflow_run_uri,
                step=label,
                name=job.name,
                inputs=job_order,
                outputs=outputs or {},
                facts=Facts(started=began, ended=time.time(), status=status),
            )
            recording.note(profile, activity)

        def ended(outputs: Any, status: str) -> None:
            note(outputs, status)
            output_callbacks(outputs, status)

        context = runtimeContext.copy()
        context.prov_obj = profile
        jobs: Any = super().job(job_order, ended, context)
        job = next(jobs)
        profile.evaluate(self, job, job_order, profile.research_object)
        yield job
        yield from jobs


class RecordedExpression(ExpressionTool):
    """An expression that is recorded as a step."""

    def job(
        self,
        job_order: Any,
        output_callbacks: Any,
        runtimeContext: RuntimeContext,  # noqa: N803 - cwltool's
    ) -> Generator[Any, None, None]:
        """Yield the job."""
        label = runtimeContext.name or shortname(self.tool["id"])
        began = time.time()

        def ended(outputs: Any, status: str) -> None:
            facts = Facts(started=began, ended=time.time(), status=status, node=os.uname().nodename)
            recording.step(
                runtimeContext.prov_obj, label, label, inputs=job.builder.job, outputs=outputs, facts=facts
            )
            output_callbacks(outputs, status)

        for job in super().job(job_order, ended, runtimeContext):
            yield job


def recorded(document: Any, context: Any) -> Process | None:
    """Return a workflow or expression that is recorded; ``None`` for what is neither, or if nothing is."""
    kinds: Any = {"Workflow": RecordedWorkflow, "ExpressionTool": RecordedExpression}
    kind = kinds.get(document.get("class")) if context.research_obj is not None else None
    made: Process | None = kind(document, context) if kind else None
    return made
