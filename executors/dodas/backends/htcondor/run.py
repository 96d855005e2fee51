"""A run as its parts see it: what is under way, and how a step comes to its end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from dodas.backend import Event, Finished, Preparing, Started
from dodas.backends.htcondor import journal
from dodas.backends.htcondor.ads import Site
from dodas.backends.htcondor.bundles import Bundles
from dodas.backends.htcondor.harvest import Harvest
from dodas.backends.htcondor.jobs import Job, JobId, State
from dodas.backends.htcondor.journal import Journal, Record
from dodas.backends.htcondor.orders import Orders
from dodas.backends.htcondor.scheduler import Scheduler
from dodas.step import Failure, Result


@dataclass(slots=True, kw_only=True)
class Run:
    """What the parts of the backend share; touched by the loop's thread alone.

    Attributes:
        site: What is the same for all jobs.
        defaults: Hints for all steps.
        scheduler: The way to HTCondor.
        journal: What is known beyond the life of dodas.
        orders: The directories of jobs.
        harvest: Brings results home.
        bundles: Steps that are not yet in a job.
        emit: Takes the events.
        jobs: Jobs that are under way, or might be asked for, by number.
        numbers: Number of the job that HTCondor knows by an id.
        where: Job and position of each step that somebody waits for.
        last: The highest number so far.
        failed: Whether a step failed.
    """

    site: Site
    defaults: Mapping[str, str]
    scheduler: Scheduler
    journal: Journal
    orders: Orders
    harvest: Harvest
    bundles: Bundles
    emit: Callable[[Event], None]
    jobs: dict[int, Job] = field(default_factory=dict)
    numbers: dict[JobId, int] = field(default_factory=dict)
    where: dict[str, tuple[int, int]] = field(default_factory=dict)
    last: int = 0
    failed: bool = False
    notes: list[Record] = field(default_factory=list)

    @property
    def all_jobs(self) -> str:
        """The condition that the jobs of this run meet, and no others."""
        return f'DodasRun == "{self.site.run}"'

    def knows(self, job: Job, job_id: JobId) -> None:
        """Learn HTCondor's id of a job."""
        job.id = job_id
        job.items = None
        self.numbers[job_id] = job.number
        if job.state is State.SENDING:
            job.state = State.QUEUED

    def owe(self, job: Job, position: int, step: str) -> None:
        """Let ``step`` wait for the result of a job."""
        job.left.add(position)
        job.owed[position] = step
        self.where[step] = job.number, position

    def tell(self, job: Job, what: str) -> None:
        """Say of the first step of a job what holds it up."""
        for step in tuple(job.owed.values())[:1]:
            self.emit(Preparing(step=step, time=time.time(), what=what))

    def started(self, job: Job, node: str) -> None:
        """Say that a job runs, and so its first step; of the others nothing is known before the end."""
        for step in tuple(job.owed.values())[:1]:
            self.emit(Started(step=step, time=time.time(), node=node))

    def finish(self, job: Job, position: int, result: Result) -> None:
        """Hand the result of a step over.  One that could be asked for again stays known."""
        step = job.owed.pop(position)
        job.left.discard(position)
        self.where.pop(step, None)
        self.failed |= not result.ok
        if not result.ok or not job.steps[position].identity:
            self.notes.append(journal.gone(job.number, [position]))
        self.emit(Finished(step=step, time=time.time(), result=result))

    def fail(self, job: Job, positions: Iterable[int], failure: Failure, reason: str) -> None:
        """Let steps of a job that have no result of their own fail."""
        for position in tuple(positions):
            step = job.owed[position]
            result = Result(step=step, failure=failure, reason=reason, node=job.node, stderr=self._words(job))
            if failure is not Failure.CANCELLED:
                with suppress(OSError):
                    self.orders.keep(job.number, position, result)
            self.finish(job, position, result)

    def drop(self, steps: Iterable[str], failure: Failure, reason: str) -> None:
        """Let steps fail that are in no job."""
        for step in steps:
            self.failed = True
            self.where.pop(step, None)
            result = Result(step=step, failure=failure, reason=reason)
            self.emit(Finished(step=step, time=time.time(), result=result))

    def write(self) -> None:
        """Write down what was noted."""
        if self.notes:
            notes, self.notes = self.notes, []
            self.journal.write(notes)

    def _words(self, job: Job) -> str | None:
        return self.orders.path(job.number, "worker.err") if self.harvest.last_words(job.number) else None
