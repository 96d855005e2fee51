"""Steps become jobs: written down, submitted in one transaction, and found again when the answer is lost."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from dodas.backends.htcondor import journal
from dodas.backends.htcondor.ads import description, hints_of, item, requeues
from dodas.backends.htcondor.jobs import NEW, Job, JobId, Label, State, Tries
from dodas.backends.htcondor.run import Run
from dodas.errors import BackendError, BackendUnreachable, DodasError, TransferError
from dodas.step import Failure, Step

_log = logging.getLogger(__name__)
_AGAIN = 2.0  # seconds until a queue that did not answer is asked again; twice that the next time
_LONGEST = 30.0
_AT_ONCE = 10_000  # half of what MAX_JOBS_PER_SUBMISSION allows where nobody changed it


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A job to be.

    Attributes:
        steps: Its steps.
        kind: Which steps they are like.
        tries: What was tried before.
        instead: The steps of other jobs that these replace: job, position.
        asked: Who waits for each step; default: the step itself.
    """

    steps: Sequence[Step]
    kind: str = ""
    tries: Tries = NEW
    instead: tuple[tuple[int, int], ...] = ()
    asked: tuple[str, ...] = ()


class Sender:
    """Sends jobs of a run."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._unsent: dict[int, Job] = {}
        self._pause = _AGAIN
        self.due: float | None = None  # when to try again, on the monotonic clock

    def send(self, plans: Iterable[Plan]) -> None:
        """Submit jobs; if the queue does not answer, later."""
        run = self._run
        jobs, records = [], []
        for plan in plans:
            job = self._make(plan)
            if job is not None:
                jobs.append(job)
                records.append(journal.planned(job.number, job.steps, job.tries, plan.instead))
        if not jobs:
            return
        run.notes += records
        run.write()
        self._unsent.update((job.number, job) for job in jobs)
        self.transact()

    def withdraw(self, job: Job) -> bool:
        """Do not send a job; return whether it was still to be sent."""
        return self._unsent.pop(job.number, None) is not None

    def found(self, job: Job, job_id: JobId) -> None:
        """Learn from elsewhere that a job is in the queue."""
        self._sent([(job, job_id)])

    def transact(self) -> None:
        """Submit what has not been."""
        self.due = None
        try:
            for jobs in _alike(self._unsent.values()):
                self._submit(jobs)
            self._pause = _AGAIN
        except BackendUnreachable as error:
            _log.warning("%s; trying again", error)
            for job in tuple(self._unsent.values())[:1]:
                self._run.tell(job, f"the job queue does not answer: {error}")
            self.due = time.monotonic() + self._pause
            self._pause = min(_LONGEST, 2 * self._pause)

    def _make(self, plan: Plan) -> Job | None:
        run = self._run
        run.last += 1
        number = run.last
        asked = plan.asked or tuple(step.id for step in plan.steps)
        try:
            patience = run.bundles.patience(plan.kind) if len(plan.steps) > 1 else None
            run.orders.write(number, plan.steps, along=plan.tries.lost > 0, patience=patience)
        except TransferError as error:
            self._apart(plan, asked, Failure.STAGE_IN, str(error))
            return None
        except (DodasError, OSError) as error:
            self._apart(plan, asked, Failure.LOST, f"its job cannot be written down: {error}")
            return None
        job = Job(
            number=number,
            steps=tuple(Label(id=step.id, identity=step.identity, name=step.name) for step in plan.steps),
            tries=plan.tries,
            kind=plan.kind,
            items=item(
                number,
                plan.steps,
                plan.tries,
                hints_of(plan.steps[0], run.defaults),
                requeues=requeues(run.site, plan.steps, plan.tries),
                until=int(time.time()) + run.site.policy.avoid,
            ),
        )
        run.jobs[number] = job
        for position, step in enumerate(asked):
            run.owe(job, position, step)
        return job

    def _apart(self, plan: Plan, asked: Sequence[str], failure: Failure, reason: str) -> None:
        """One step that cannot be sent does not keep the others of its bundle."""
        if len(plan.steps) == 1:
            self._run.drop(asked, failure, reason)
            return
        self.send(
            Plan(steps=(step,), tries=plan.tries, asked=(who,))
            for step, who in zip(plan.steps, asked, strict=True)
        )

    def _submit(self, jobs: list[Job]) -> None:
        self._find(jobs) if self._pause > _AGAIN else self._run.scheduler.find("false")
        waiting = [job for job in jobs if job.number in self._unsent]
        if not waiting:
            return
        names = tuple(waiting[0].items or ())
        common, variables = description(self._run.site, names)
        items = [{variables[name]: value for name, value in (job.items or {}).items()} for job in waiting]
        try:
            cluster, first = self._run.scheduler.submit(common, items)
        except BackendError as error:
            self._find(waiting)
            self._refuse([job for job in waiting if job.number in self._unsent], str(error))
            return
        self._sent([(job, (cluster, first + index)) for index, job in enumerate(waiting)])

    def _find(self, jobs: list[Job]) -> None:
        """See whether jobs are in the queue, although nobody said so."""
        by_number = {job.number: job for job in jobs}
        condition = f"{self._run.all_jobs} && DodasJob >= {min(by_number)} && DodasJob <= {max(by_number)}"
        found = self._run.scheduler.find(condition)
        self._sent([(by_number[one.number], one.id) for one in found if one.number in by_number])

    def _sent(self, jobs: Sequence[tuple[Job, JobId]]) -> None:
        for job, job_id in jobs:
            self._unsent.pop(job.number, None)
            self._run.knows(job, job_id)
        self._run.notes.append(journal.sent((job.number, job_id) for job, job_id in jobs))
        self._run.write()

    def _refuse(self, jobs: Iterable[Job], why: str) -> None:
        for job in jobs:
            del self._unsent[job.number]
            job.state = State.OVER
            self._run.fail(job, job.owed, Failure.LOST, f"HTCondor does not take its job: {why}")


def _alike(jobs: Iterable[Job]) -> list[list[Job]]:
    """Return jobs in groups that one submit description fits, and that HTCondor takes at once."""
    groups: dict[tuple[str, ...], list[Job]] = {}
    for job in jobs:
        groups.setdefault(tuple(job.items or ()), []).append(job)
    return [
        group[begin : begin + _AT_ONCE]
        for group in groups.values()
        for begin in range(0, len(group), _AT_ONCE)
    ]


def larger(step: Step, times: float) -> Step:
    """Return a step that asks for so many times the memory."""
    memory = step.resources.memory
    if times == 1 or memory is None:
        return step
    return replace(step, resources=replace(step.resources, memory=int(memory * times)))
