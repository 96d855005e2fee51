"""What HTCondor writes of the jobs, and what is done about it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from dodas.backends.htcondor import policy
from dodas.backends.htcondor.delays import DELAYS, ending
from dodas.backends.htcondor.eventlog import JobEvent, Kind
from dodas.backends.htcondor.holds import Hold
from dodas.backends.htcondor.jobs import Ending, Job, State
from dodas.backends.htcondor.policy import Again, Fail, Release
from dodas.backends.htcondor.run import Run
from dodas.backends.htcondor.sending import Plan, Sender, larger
from dodas.errors import BackendError, SpecError
from dodas.node import surplus
from dodas.node.results import Report
from dodas.step import Failure, Step

_LOOKS, _PAUSE = 10, 1.0  # for a report that should be there; seconds between two of them

Later = Callable[[float, Callable[[], None]], None]


class Follower:
    """Follows the jobs of a run.

    Args:
        run: The run.
        sender: Sends what has to be done again.
        later: Makes a call after some seconds.
    """

    def __init__(self, run: Run, sender: Sender, later: Later) -> None:
        self._run = run
        self._sender = sender
        self._later = later
        self._again: list[Plan] = []
        self._holds: dict[int, Hold] = {}
        self._removals: list[Job] = []
        self._releases: list[Job] = []

    def see(self, event: JobEvent) -> None:
        """Take an event of the log."""
        if event.kind is Kind.SUBMIT:
            self._submitted(event)
            return
        number = self._run.numbers.get(event.id)
        job = self._run.jobs.get(number) if number is not None else None
        if job is None or job.state is State.OVER:
            return
        if event.kind is Kind.EXECUTE:
            job.state, job.node = State.RUNNING, event.node
            self._run.started(job, job.node)
        elif event.kind is Kind.HELD:
            self._held(job, Hold(code=event.hold_code[0], subcode=event.hold_code[1], said=event.reason))
        elif event.kind is Kind.RELEASED:
            self._released(job, event)
        elif event.kind in (Kind.TERMINATED, Kind.ABORTED):
            self._over(job, event)
        elif event.kind is Kind.NOTE:
            self._given_back(job, event)
        else:
            self._delayed(job, event)

    def look(self, job: Job) -> None:
        """Do what is due to a job that somebody waits for now."""
        self._catch_up(job)
        if job.state is State.OVER:
            self.settle(job)
        elif job.state is State.HELD:
            self._decide(job, self._holds.get(job.number, Hold()))
        elif job.state is State.RUNNING:
            self._run.started(job, job.node)

    def act(self) -> None:
        """Send, remove and release what was decided on since the last time."""
        plans, self._again = self._again, []
        self._sender.send(plans)
        for number, position in (pair for plan in plans for pair in plan.instead):
            if (job := self._run.jobs.get(number)) is not None:
                job.left.discard(position)
                self._forget(job)
        removals, self._removals = self._removals, []
        releases, self._releases = self._releases, []
        try:
            self._run.scheduler.remove([job.id for job in removals if job.id])
            removals = []
            self._run.scheduler.release([job.id for job in releases if job.id and job.state is State.HELD])
            releases = []
        except BackendError:
            self._later(5.0, lambda: self._put_back(removals, releases))

    def remove(self, job: Job) -> None:
        """Take a job out of the queue."""
        job.cancelled = True
        if not self._sender.withdraw(job):
            self._removals.append(job)
            return
        job.state = State.OVER
        self._run.fail(job, job.owed, Failure.CANCELLED, "cancelled before it started")

    def settle(self, job: Job) -> None:
        """Hand over what a job that is over made, and decide about what it did not."""
        if not job.owed:
            self._forget(job)
            return
        try:
            steps = self._run.orders.read(job.number)
        except SpecError as error:
            self._run.fail(job, job.owed, Failure.LOST, str(error))
            return
        report = self._run.harvest.reports(job.number, len(steps))
        job.unbegun.update(report.left if report else ())
        self._resend(job, steps)
        missing = self._hand_over(job, steps, report)
        self._missed(job, steps, missing, report)
        self._forget(job)

    def _given_back(self, job: Job, event: JobEvent) -> None:
        """Take back steps that a node has not begun; it goes on with the others."""
        told = surplus.read(event.title)
        if told is not None:
            job.late = True
            job.unbegun |= told.positions
            self._run.bundles.guess(job.kind, told.each)
            self._catch_up(job)

    def _catch_up(self, job: Job) -> None:
        """Do what can be done for steps of a job that takes longer than was thought, and goes on."""
        if not job.late or job.state is State.OVER or not job.owed:
            return
        try:
            steps = self._run.orders.read(job.number)
        except SpecError as error:
            self._run.fail(job, job.unbegun & job.owed.keys(), Failure.LOST, str(error))
            return
        self._resend(job, steps)
        if job.owed and self._run.site.shared:  # results of those that have ended are there
            self._hand_over(job, steps, self._run.harvest.reports(job.number, len(steps)))

    def _resend(self, job: Job, steps: tuple[Step, ...]) -> None:
        """Send steps that were given back in other jobs, which is nobody's fault."""
        positions = sorted(job.unbegun & job.owed.keys())
        for some in self._run.bundles.split(job.kind, positions):
            self._again.append(self._plan(job, steps, some, Again(tries=job.tries, why="")))

    def _put_back(self, removals: list[Job], releases: list[Job]) -> None:
        self._removals += removals
        self._releases += releases

    def _submitted(self, event: JobEvent) -> None:
        """Learn whose the id is from here on: a pool that was made anew begins to count anew."""
        job = self._run.jobs.get(event.number) if event.number is not None else None
        self._run.numbers.pop(event.id, None)
        if job is not None and job.id is None:
            self._sender.found(job, event.id)
        elif job is not None and job.state is not State.OVER:
            self._run.knows(job, event.id)

    def _held(self, job: Job, hold: Hold) -> None:
        job.state = State.HELD
        job.holds += 1
        self._holds[job.number] = hold
        if job.owed:
            self._decide(job, hold)

    def _decide(self, job: Job, hold: Hold) -> None:
        self._run.tell(job, f"held in the queue: {hold}")
        decided = policy.held(self._run.site.policy, hold, job.holds, job.tries)
        if isinstance(decided, Release):
            self._later(decided.after, lambda: self._releases.append(job))
        elif isinstance(decided, Fail):
            self._give_up(job, decided)
        elif isinstance(decided, Again):
            steps = self._run.orders.read(job.number)
            self._repeat(job, steps, tuple(job.owed), decided)
            self.remove(job)

    def _give_up(self, job: Job, decided: Fail) -> None:
        at = f" (node {job.node})" if job.node else ""
        self._run.fail(job, job.owed, decided.failure, decided.reason + at)
        self.remove(job)

    def _released(self, job: Job, event: JobEvent) -> None:
        self._holds.pop(job.number, None)
        job.state = State.QUEUED
        self._run.tell(job, f"released: {event.reason}")

    def _delayed(self, job: Job, event: JobEvent) -> None:
        words = DELAYS.get(event.kind)
        if words is None:
            return
        if event.kind in (Kind.EVICTED, Kind.RECONNECT_FAILED, Kind.SHADOW_EXCEPTION):
            job.state = State.QUEUED
        why = event.reason
        if event.requeued:
            job.requeues += 1
            report = self._run.harvest.reports(job.number, len(job.steps))
            why = (report.problem if report else "") or "the node could not run it"
        self._run.tell(job, words.format(node=job.node or "a node", why=why))

    def _over(self, job: Job, event: JobEvent) -> None:
        job.state = State.OVER
        removed = event.kind is Kind.ABORTED
        job.ending = Ending(exit_code=event.exit_code, reason=ending(event), removed=removed)
        if job.id is not None:
            self._run.numbers.pop(job.id, None)
        self._holds.pop(job.number, None)
        self._await(job, _LOOKS)

    def _await(self, job: Job, looks: int) -> None:
        """Settle when the report is seen, which on a network file system may be later than the job's end."""
        done = job.ending is not None and job.ending.exit_code == 0
        if job.owed and done and looks and not self._run.harvest.has_report(job.number):
            self._later(_PAUSE, lambda: self._await(job, looks - 1))
            return
        self.settle(job)

    def _hand_over(self, job: Job, steps: tuple[Step, ...], report: Report | None) -> list[int]:
        """Return the positions of steps that nothing is known of."""
        reports = {one.result.step: one for one in report.steps} if report else {}
        missing = []
        for position in tuple(job.owed):
            one = reports.get(steps[position].id)
            if one is None:
                missing.append(position)
                continue
            step, result = steps[position], one.result
            decided = policy.ended(self._run.site.policy, result, step.resources, job.tries, job.node)
            if decided is not None:
                self._repeat(job, steps, (position,), decided)
                continue
            self._run.bundles.learn(job.kind, result.usage.wall)
            who = job.owed[position]
            self._run.finish(job, position, self._run.harvest.bring(job.number, position, step, one, who))
        return missing

    def _missed(self, job: Job, steps: tuple[Step, ...], missing: list[int], report: Report | None) -> None:
        if not missing:
            return
        if job.cancelled:
            self._run.fail(job, missing, Failure.CANCELLED, "cancelled")
            return
        last = job.ending or Ending()
        words = report.problem if report else ""
        words = words or self._run.harvest.last_words(job.number)
        tries = policy.counting(job.tries, job.requeues)
        failure = report.failure if report else Failure.CONTAINER
        decided = policy.lost(self._run.site.policy, last, tries, job.node, words, failure=failure)
        if isinstance(decided, Fail):
            self._run.fail(job, missing, decided.failure, decided.reason)
        else:
            self._repeat(job, steps, missing, decided)

    def _repeat(self, job: Job, steps: tuple[Step, ...], positions: Iterable[int], decided: Again) -> None:
        more = f", with {decided.memory:g} times the memory" if decided.memory != 1 else ""
        self._run.tell(job, f"tried again{more}: {decided.why}")
        self._again.append(self._plan(job, steps, tuple(positions), decided))

    def _plan(self, job: Job, steps: tuple[Step, ...], positions: Sequence[int], decided: Again) -> Plan:
        """Return the job that replaces those steps of another, which from now on nobody expects of that."""
        return Plan(
            steps=[
                larger(self._run.orders.claimed(job.number, position, steps[position]), decided.memory)
                for position in positions
            ],
            kind=job.kind,
            tries=decided.tries,
            instead=tuple((job.number, position) for position in positions),
            asked=tuple(job.owed.pop(position) for position in positions),
        )

    def _forget(self, job: Job) -> None:
        """Drop what nobody will ask for; the order above all, which may hold secrets."""
        if job.left or job.state is not State.OVER:
            return
        if not self._run.failed and not any(label.identity for label in job.steps):
            self._run.orders.remove(job.number)
            self._run.jobs.pop(job.number, None)
        else:
            well = job.ending is not None and job.ending.exit_code == 0
            self._run.orders.slim(job.number, words=not well)
