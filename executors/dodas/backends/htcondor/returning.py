"""A run that was left is taken up again: what became of its jobs, and whose they are now."""

from __future__ import annotations

from collections.abc import Collection

from dodas.backends.htcondor import journal
from dodas.backends.htcondor.eventlog import EventLog
from dodas.backends.htcondor.following import Follower
from dodas.backends.htcondor.jobs import Ending, Job, State
from dodas.backends.htcondor.run import Run
from dodas.step import Result, Step


class Returned:
    """The work of earlier lives of a run, by identity."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._work: dict[str, list[tuple[int, int]]] = {}
        self._unclaimed: dict[int, set[int]] = {}  # positions of steps, by job

    def take_up(self, log: EventLog, follower: Follower) -> None:
        """Learn what became of the jobs.

        Raises:
            BackendUnreachable: The job queue does not answer.
        """
        run = self._run
        past = run.journal.past()
        run.last = max(past, default=0)
        for old in past.values():
            if len(old.gone) < len(old.steps):
                job = Job(number=old.number, steps=old.steps, tries=old.tries)
                job.left = set(range(len(old.steps))) - old.gone  # until it is known what is asked for
                run.jobs[old.number] = job
                if old.id is not None:
                    run.knows(job, old.id)
        if not past:
            return
        queue = {one.number: one for one in run.scheduler.find(run.all_jobs)}
        for number, one in queue.items():
            if number in run.jobs:
                run.knows(run.jobs[number], one.id)
        for event in log.news():
            follower.see(event)
        for job in tuple(run.jobs.values()):
            self._judge(job, past[job.number].gone, in_queue=job.number in queue)
        run.scheduler.remove([one.id for one in queue.values() if one.number not in run.jobs])

    def known(self, identity: str) -> bool:
        """Return whether there is work for a step of this identity that is not somebody's already."""
        return bool(identity and self._work.get(identity))

    def claim(self, step: Step, follower: Follower) -> bool | Result:
        """Give a step the work that was done, or is being done, for its like.

        Returns:
            Its result, if it has one; whether it will get one otherwise.
        """
        while self.known(step.identity):
            number, position = self._work[step.identity].pop(0)
            self._unclaimed[number].discard(position)
            job = self._run.jobs[number]
            if self._run.orders.has_result(number, position):
                result = self._run.harvest.again(number, position, step)
                if result is not None:
                    return result
                self._run.notes.append(journal.gone(number, [position]))
                continue
            self._run.orders.claim(number, position, step)
            self._run.owe(job, position, step.id)
            follower.look(job)
            return True
        return False

    def forget(self, identities: Collection[str], follower: Follower) -> None:
        """Let nobody have that work again; jobs that still do it, and nothing else, are removed."""
        for identity in identities:
            for number, position in self._work.pop(identity, ()):
                self._run.notes.append(journal.gone(number, [position]))
                self._unclaimed[number].discard(position)
                job = self._run.jobs[number]
                if not self._unclaimed[number] and not job.owed and job.state is not State.OVER:
                    follower.remove(job)

    def _judge(self, job: Job, gone: set[int], *, in_queue: bool) -> None:
        """Offer the steps of a job, unless it was never submitted or nobody can ask for them."""
        left = [position for position in range(len(job.steps)) if position not in gone]
        job.left = {position for position in left if not self._run.orders.has_result(job.number, position)}
        if not in_queue and job.state is not State.OVER:
            if job.id is None:
                self._never(job, left)
                return
            job.state = State.OVER
            job.ending = Ending()
        if job.ending is not None and job.ending.removed:
            self._never(job, left)
            return
        wanted = [position for position in left if job.steps[position].identity]
        if not wanted:
            self._never(job, left)
        for position in wanted:
            self._unclaimed.setdefault(job.number, set()).add(position)
            self._work.setdefault(job.steps[position].identity, []).append((job.number, position))

    def _never(self, job: Job, positions: list[int]) -> None:
        del self._run.jobs[job.number]
        self._run.orders.remove(job.number)
        self._run.notes.append(journal.gone(job.number, positions))
