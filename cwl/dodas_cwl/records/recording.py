"""Records steps and runs of workflows as they end, by the one thread that evaluates."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from typing import Any
from urllib.parse import quote
from uuid import uuid4

from dodas.step import Failure, Result
from dodas_cwl import translate
from dodas_cwl.jobs import StepJob
from dodas_cwl.memory import Desk
from dodas_cwl.records import activities
from dodas_cwl.records.activities import Activity, Facts
from dodas_cwl.records.profile import Profile
from dodas_cwl.records.research import Research
from dodas_cwl.reference import (
    CWLPROV,
    Process,
    RuntimeContext,
    Workflow,
    WorkflowException,
    fill_in_defaults,
)

FACTS = "facts"


class Recording:
    """What is recorded of one run of a process; of nothing, if nothing is to be recorded.

    Args:
        process: A workflow or a tool.
        order: Its input object.
        rc: Has the research object, and is told which document steps belong in.
    """

    def __init__(self, process: Process, order: Any, rc: RuntimeContext) -> None:
        self._process = process
        self._research: Research | None = rc.research_obj  # type: ignore[assignment]  # ours
        self._profile: Profile | None = None
        self._order, self._began = order, time.time()
        if self._research is None:
            return
        profile: Any = getattr(process, "provenance_object", None)
        if not isinstance(process, Workflow):
            profile = self._research.initialize_provenance(
                full_name=rc.cwl_full_name,
                host_provenance=rc.prov_host,
                user_provenance=rc.prov_user,
                orcid=rc.orcid,
                run_uuid=self._research.ro_uuid,
                fsaccess=rc.make_fs_access(""),
            )
            self._order = _with_defaults(process, order, rc)
            profile.alone = True
            profile.evaluate(process, process, self._order, self._research)
        profile.begun = True
        self._profile = rc.prov_obj = profile

    def watch(self, job: StepJob) -> None:
        """Have a step recorded when its result is there."""
        if self._profile is not None:
            job.record = partial(self._result, job)

    def ended(self, job: StepJob, outputs: Any, status: str, *, reused: bool = False) -> None:
        """Record a step that did not run, or does not run again."""
        if self._profile is not None:
            facts = activities.of_no_run(status, image=_image(job), reused=reused)
            step(job.prov_obj, job.name, job.label, inputs=job.joborder, outputs=outputs, facts=facts)

    def over(self, outputs: Any, status: str) -> None:
        """Record the end of all, while outputs are where the steps made them."""
        if self._profile is None or self._profile.finished:
            return
        for profile in self._research.unfinished() if self._research else ():
            if profile is not self._profile:  # a workflow that something kept from its end
                profile.give_up()
                _end(profile)
                profile.finalize_prov_profile("interrupted")
        main = self._profile
        main.generate_output_prov(outputs, None, "primary")
        _end(main)
        main.finalize_prov_profile(None)
        self._process.parent_wf = None  # or cwltool would do so again
        note(
            main,
            Activity(
                id=main.workflow_run_uri,
                name="main",
                inputs=self._order,
                outputs=outputs or {},
                facts=Facts(started=self._began, ended=time.time(), status=status),
            ),
        )

    def _result(self, job: StepJob, outputs: Any, result: Result, status: str) -> None:
        if result.failure is Failure.CANCELLED and not result.usage.wall:
            return  # it never began
        facts = activities.of_result(result, status, _image(job))
        job.desk.note(FACTS, facts.plain())
        step(job.prov_obj, job.name, job.label, inputs=job.joborder, outputs=outputs, facts=facts)


def step(profile: Any, name: str, label: str, *, inputs: Any, outputs: Any, facts: Facts) -> None:
    """Record one step.

    Args:
        profile: The document of the run of the workflow that it is part of, or its own if it is all there is.
        name: What it is called; another one for each job of a step.
        label: Name of the step.
        inputs: Its input object.
        outputs: Its output object.
        facts: How it ran.
    """
    run = profile.workflow_run_uri
    with profile.at(facts.started):
        if not profile.alone:
            run = profile.start_process(quote(name, safe=":/,#"), profile.moment)
        profile.used_artefacts(inputs or {}, run, name)
    _describe(profile, run, facts)
    with profile.at(facts.ended):
        if profile.alone:
            profile.generate_output_prov(outputs, run, name)
        else:
            profile.record_process_end(name, run, outputs, profile.moment)
    note(
        profile,
        Activity(
            id=uuid4().urn if profile.alone else run,
            parent=profile.workflow_run_uri,
            step=label,
            name=name,
            inputs=inputs or {},
            outputs=outputs or {},
            facts=facts,
        ),
    )


def recalled(desk: Desk, name: str, tool: Process, order: Any, *, outputs: Any, rc: RuntimeContext) -> None:
    """Record a step that was over in an earlier life of the run."""
    if rc.research_obj is None:
        return
    known = desk.recall(FACTS)
    facts = Facts(**known) if known else activities.of_no_run(reused=True)
    inputs = _with_defaults(tool, order, rc)
    step(rc.prov_obj, name, desk.label, inputs=inputs, outputs=outputs, facts=facts)


def _with_defaults(process: Process, order: Any, rc: RuntimeContext) -> Any:
    whole = translate.plain(order)
    try:
        fill_in_defaults(process.tool["inputs"], whole, rc.make_fs_access(""))
    except WorkflowException:
        return translate.plain(order)  # something is missing, of which the process itself will complain
    return whole


def _image(job: StepJob) -> str:
    try:
        return job.image() or ""
    except WorkflowException:
        return ""


def _describe(profile: Any, run: str, facts: Facts) -> None:
    """Add what CWLProv has no relation for."""
    attributes: dict[Any, Any] = {CWLPROV["status"]: facts.status}
    if facts.exit_code is not None:
        attributes[CWLPROV["exitCode"]] = facts.exit_code
    if facts.node:
        attributes[CWLPROV["hostname"]] = facts.node
    if facts.reused:
        attributes[CWLPROV["reused"]] = True
    for activity in profile.document.get_record(run):
        activity.add_attributes(attributes)
        break
    if facts.image:
        profile.container(run, facts.image, facts.digest)


def _end(profile: Any) -> None:
    profile.ended(profile.workflow_run_uri, profile.research_object.engine_uuid)


def note(profile: Any, activity: Activity) -> None:
    """Keep what was recorded for whoever describes the run in another way."""
    research = profile.research_object
    copy = research.shared.copy
    research.activities.append(
        replace(activity, inputs=copy(activity.inputs), outputs=copy(activity.outputs))
    )
