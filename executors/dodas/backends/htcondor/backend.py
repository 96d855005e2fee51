"""Steps on an HTCondor pool."""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from dodas.backend import Event, Queued
from dodas.backends.htcondor import ads, register, sharing
from dodas.backends.htcondor.bundles import Bundles, Size
from dodas.backends.htcondor.eventlog import EventLog
from dodas.backends.htcondor.loop import Loop
from dodas.backends.htcondor.opening import Settings, decide, open_run
from dodas.backends.htcondor.policy import OnHold, Policy
from dodas.backends.htcondor.register import Entry
from dodas.backends.htcondor.run import Run
from dodas.backends.htcondor.scheduler import Scheduler
from dodas.backends.htcondor.state import State
from dodas.backends.outbox import Outbox
from dodas.errors import BackendError, SpecError
from dodas.node import packing
from dodas.step import Step
from dodas.worker import plan

if TYPE_CHECKING:
    from dodas.containers.prepare import Pull


class HtcondorBackend:
    """Runs steps on an HTCondor pool.  Implements :class:`dodas.backend.Backend`.

    What was submitted outlives this process: after its violent end, another backend with the same ``run``
    takes up the jobs of steps that have an :attr:`~dodas.step.Step.identity`.

    Args:
        pool: Name of a pool of ``dodas pool``; ``None`` is what CONDOR_CONFIG says.
        run: Directory for the state of the run, the same for the same work.
        logs: Directory for the standard streams of steps that do not redirect them.
        store: Directory of the image store; default :func:`dodas.paths.store_dir`.
        engine: How containers are run, as for :func:`dodas.worker.choose.choose`.
        pull: When to ask a registry for an image: ``missing``, ``never`` or ``always``.
        shared: Whether nodes see the disk of this machine; ``None`` finds out by FILESYSTEM_DOMAIN.
        bundle: How many steps share a job; ``auto`` finds out which are short, ``None`` is one.
        on_hold: What is done about held jobs: ``retry``, ``fail`` or ``wait``.
        defaults: Commands of submit files, and ``+Attributes``, for all steps.
        retries: How often a step that a node lost is run elsewhere.
        memory_retries: How often a step that had too little memory is run with more.
        memory_growth: How much more.

    Raises:
        SpecError: There is no such pool, or a setting makes no sense.
        BackendUnreachable: The pool does not answer.
        BackendError: Another dodas works on ``run``.
    """

    def __init__(
        self,
        *,
        pool: str | None = None,
        run: str,
        logs: str,
        store: str | None = None,
        engine: str = "",
        pull: Pull = "missing",
        shared: bool | None = None,
        bundle: Size | None = "auto",
        on_hold: OnHold = "retry",
        defaults: Mapping[str, str] | None = None,
        retries: int = 2,
        memory_retries: int = 2,
        memory_growth: float = 2.0,
    ) -> None:
        scheduler = Scheduler(pool)
        slots = scheduler.slots()
        scheduler.wait()
        policy = Policy(
            retries=retries,
            growths=memory_retries,
            growth=memory_growth,
            on_hold=on_hold,
            avoid=60 if len({slot.machine for slot in slots}) > 1 else 5,
        )
        self._state = State(run)
        try:
            self._shared = decide(self._state, shared, scheduler.files, slots)
            self._outbox = Outbox()
            self._run = open_run(
                self._state,
                scheduler,
                policy=policy,
                bundles=Bundles(bundle or 1, sharing.cores(slots)),
                settings=Settings(
                    logs=os.path.abspath(logs),
                    store=store,
                    engine=engine,
                    pull=pull,
                    shared=self._shared,
                    defaults=dict(defaults or {}),
                ),
                emit=self._outbox.put,
            )
            self._loop = Loop(self._run, EventLog(self._run.site.log))
        except BaseException:
            self._state.close()
            raise
        register.enter(Entry(run=self._state.run, path=self._state.path, logs=os.path.abspath(logs)))
        self._ids: set[str] = set()
        self._mutex = threading.Lock()
        self._closed = False
        # A daemon: the interpreter joins other threads before it runs the finalizer, which ends this one.
        self._thread = threading.Thread(target=self._loop.work, name="dodas-htcondor", daemon=True)
        self._thread.start()
        self._end = weakref.finalize(
            self, _end, self._loop, self._thread, self._run, self._state, os.getpid()
        )

    def submit(self, steps: Sequence[Step]) -> None:
        """See :meth:`dodas.backend.Backend.submit`."""
        for step in steps:
            self._check(step)
        with self._mutex:
            if self._closed or not self._thread.is_alive():
                raise BackendError("the HTCondor backend is closed", hint="make a new one")
            self._note_ids([step.id for step in steps])
            now = time.time()
            self._outbox.expect([Queued(step=step.id, time=now) for step in steps])
            self._loop.submit(tuple(steps))

    def events(self, timeout: float | None = None) -> Iterator[Event]:
        """See :meth:`dodas.backend.Backend.events`."""
        return self._outbox.events(timeout)

    def cancel(self, steps: Collection[str]) -> None:
        """See :meth:`dodas.backend.Backend.cancel`."""
        self._loop.cancel(steps)

    @property
    def shared(self) -> bool:
        """Whether steps see the disk of this machine."""
        return self._shared

    def known(self, steps: Sequence[Step]) -> frozenset[str]:
        """Return the ids of those that an earlier life of the run has in the queue, or has a result of."""
        return frozenset(step.id for step in steps if self._loop.known(step.identity))

    def forget(self, steps: Sequence[Step]) -> None:
        """Let no later life of the run have the results of these, which are in good hands."""
        self._loop.forget([step.identity for step in steps if step.identity])

    @property
    def over(self) -> bool:
        """Whether it is closed and left no job in the queue."""
        return self._closed and self._loop.finished

    def close(self, *, keep: bool = False) -> None:
        """See :meth:`dodas.backend.Backend.close`.  The events of what was ended can still be read.

        Args:
            keep: Leave the jobs in the queue, for a later backend with the same ``run``.
        """
        with self._mutex:
            self._closed = True
        self._loop.close(keep=keep)
        self._end()

    def __enter__(self) -> HtcondorBackend:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _note_ids(self, ids: list[str]) -> None:
        new: set[str] = set()
        for step_id in ids:
            if step_id in self._ids or step_id in new:
                raise SpecError(
                    f"there is a step {step_id!r} already", hint="give each step an id of its own"
                )
            new.add(step_id)
        self._ids |= new

    def _check(self, step: Step) -> None:
        if self._shared:
            plan.check(step)
        else:
            packing.check(step)
        ads.hints_of(step, self._run.defaults)


def _end(loop: Loop, thread: threading.Thread, run: Run, state: State, owner: int) -> None:
    if os.getpid() != owner:  # a forked child on its way out
        return
    loop.close(keep=False)
    thread.join()
    run.journal.close()
    if loop.finished:
        run.orders.papers.remove()
    if loop.finished and not run.failed:
        state.remove()
        register.remove(state.run)
    state.close()
