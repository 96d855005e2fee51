"""The one thread of the backend: collects steps, follows the event log, keeps time."""

from __future__ import annotations

import heapq
import itertools
import logging
import selectors
import time
from collections.abc import Callable, Collection, Sequence

from dodas.backend import Finished
from dodas.backends.htcondor.eventlog import EventLog
from dodas.backends.htcondor.following import Follower
from dodas.backends.htcondor.jobs import Job, State
from dodas.backends.htcondor.returning import Returned
from dodas.backends.htcondor.run import Run
from dodas.backends.htcondor.sending import Plan, Sender
from dodas.backends.htcondor.watch import Watch
from dodas.backends.mailbox import Mailbox
from dodas.errors import BackendError
from dodas.step import Failure, Result, Step

_log = logging.getLogger(__name__)
_QUIET = 0.05  # seconds without a new step after which those that came are submitted
_LONGEST = 0.5  # seconds that the first of them waits
_LOOK = 1.0  # seconds between two looks at the event log when nothing says that it has grown
_FAREWELL = 10.0  # seconds that closing waits for jobs to be gone
_FAILED = "dodas failed; see its log"


class Loop:
    """Takes each step from :meth:`submit` to its :class:`Finished` event.

    Args:
        run: The run; this thread's from now on.
        log: Its event log.
    """

    def __init__(self, run: Run, log: EventLog) -> None:
        self._run = run
        self._log = log
        self._sender = Sender(run)
        self._follower = Follower(run, self._sender, self._later)
        self._returned = Returned(run)
        self._calls: list[tuple[float, int, Callable[[], None]]] = []
        self._count = itertools.count()
        self._returned.take_up(log, self._follower)
        run.write()
        self._first: float | None = None  # when the first step came that is not yet submitted
        self._newest = 0.0
        self._closing = False
        self._keep = False
        self._finished = False
        self._last_words = (Failure.CANCELLED, "cancelled")
        self._deadline = 0.0
        self._mailbox = Mailbox()
        self._watch = Watch(log.path)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._mailbox, selectors.EVENT_READ)
        if self._watch.works:
            self._selector.register(self._watch, selectors.EVENT_READ)

    def known(self, identity: str) -> bool:
        """Return whether an earlier life has work for a step of this identity.  From any thread."""
        return self._returned.known(identity)

    def submit(self, steps: Sequence[Step]) -> None:
        """Take steps that have been found good.  From any thread, as the next three."""
        if not self._mailbox.post(lambda: self._take(steps)):
            self._run.drop([step.id for step in steps], Failure.LOST, _FAILED)

    def cancel(self, steps: Collection[str]) -> None:
        """Ask for steps to end."""
        wanted = frozenset(steps)
        self._mailbox.post(lambda: self._cancel(wanted))

    def forget(self, identities: Collection[str]) -> None:
        """Let nobody have that work again."""
        wanted = tuple(identities)
        self._mailbox.post(lambda: self._returned.forget(wanted, self._follower))

    def close(self, *, keep: bool) -> None:
        """Ask for the end of everything; if ``keep``, jobs stay in the queue for a later life."""
        self._mailbox.post(lambda: self._close(keep))

    def work(self) -> None:
        """Work until closed and everything has ended."""
        try:
            while not self._done():
                self._turn()
        except Exception:
            _log.exception("the HTCondor backend failed; its jobs stay in the queue")
            self._keep, self._last_words = True, (Failure.LOST, _FAILED)
        finally:
            self._end()

    @property
    def finished(self) -> bool:
        """Whether all jobs of the run are gone, and nobody may want them back."""
        return self._finished and not self._keep

    def _done(self) -> bool:
        if not self._closing:
            return False
        return self._keep or not self._run.where or time.monotonic() > self._deadline

    def _turn(self) -> None:
        ready = self._selector.select(self._wait())
        if any(key.fileobj is self._watch for key, _ in ready):
            self._watch.clear()
        for call in self._mailbox.calls():
            call()
        for event in self._log.news():
            self._follower.see(event)
        now = time.monotonic()
        while self._calls and self._calls[0][0] <= now:
            heapq.heappop(self._calls)[2]()
        self._flush(now)
        self._follower.act()
        if self._sender.due is not None and now >= self._sender.due:
            self._sender.transact()
        self._run.orders.papers.renew()
        self._run.write()

    def _wait(self) -> float:
        """Return the seconds until something is due."""
        now = time.monotonic()
        times = [now + _LOOK]
        times += [self._calls[0][0]] if self._calls else []
        times += [due for due in (self._flush_due(), self._sender.due) if due is not None]
        return max(0.0, min(times) - now)

    def _flush_due(self) -> float | None:
        return None if self._first is None else min(self._newest + _QUIET, self._first + _LONGEST)

    def _flush(self, now: float) -> None:
        """Submit the steps that came, when no more come."""
        due = self._flush_due()
        if due is None or now < due:
            return
        self._first = None
        self._sender.send(Plan(steps=steps, kind=kind) for kind, steps in self._run.bundles.ready())

    def _later(self, seconds: float, call: Callable[[], None]) -> None:
        heapq.heappush(self._calls, (time.monotonic() + seconds, next(self._count), call))

    def _take(self, steps: Sequence[Step]) -> None:
        if self._closing:
            self._run.drop([step.id for step in steps], Failure.CANCELLED, "dodas is ending")
            return
        self._newest = time.monotonic()
        for step in steps:
            claimed = self._returned.claim(step, self._follower)
            if isinstance(claimed, Result):
                self._run.emit(Finished(step=step.id, time=time.time(), result=claimed))
            elif not claimed:
                self._run.bundles.add(step)
                self._first = self._first or self._newest

    def _cancel(self, steps: Collection[str]) -> None:
        waiting = [step for step in steps if self._run.bundles.withdraw(step)]
        self._run.drop(waiting, Failure.CANCELLED, "cancelled before it started")
        numbers = {self._run.where[step][0] for step in steps if step in self._run.where}
        for job in [self._run.jobs[number] for number in numbers]:
            ended = [position for position, step in job.owed.items() if step in steps]
            if len(ended) == len(job.owed):
                self._follower.remove(job)
            else:  # the others in its job go on, and so may it, but nobody waits for it
                self._run.fail(job, ended, Failure.CANCELLED, "cancelled")

    def _close(self, keep: bool) -> None:
        if self._closing:
            return
        self._closing = True
        self._keep = keep
        self._deadline = time.monotonic() + _FAREWELL
        if keep:
            self._last_words = (Failure.CANCELLED, "left in the queue")
            self._flush(float("inf"))
            return
        self._cancel({*self._run.bundles.all(), *self._run.where})
        try:
            self._run.scheduler.remove(self._run.all_jobs)
        except BackendError as error:
            _log.warning("%s; jobs may be left in it: condor_rm -constraint '%s'", error, self._run.all_jobs)
            self._deadline = 0.0

    def _end(self) -> None:
        self._closing = True
        for call in self._mailbox.close():  # came while the last turn was made
            call()
        self._selector.close()
        self._watch.close()
        self._finished = not self._run.where and time.monotonic() < self._deadline
        for number in {number for number, _ in self._run.where.values()}:
            self._abandon(self._run.jobs[number])
        self._run.write()

    def _abandon(self, job: Job) -> None:
        for position in tuple(job.owed):
            step = job.owed.pop(position)
            self._run.where.pop(step, None)
            failure, words = self._last_words
            result = Result(step=step, failure=failure, reason=words, node=job.node)
            self._run.emit(Finished(step=step, time=time.time(), result=result))
        job.state = State.OVER
