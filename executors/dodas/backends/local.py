"""Steps on this machine, many at once, within what it may use."""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import TYPE_CHECKING

from dodas.backend import Event, Queued
from dodas.backends import capacity, gpus
from dodas.backends.admission import Room, micro
from dodas.backends.loop import Loop
from dodas.backends.outbox import Outbox
from dodas.backends.preparation import EngineChoice, PreparedImages
from dodas.backends.starts import Starts
from dodas.backends.words import size
from dodas.errors import BackendError, SpecError
from dodas.step import Step
from dodas.worker import plan
from dodas.worker.client import Worker

if TYPE_CHECKING:
    from dodas.backends.depot import Depot
    from dodas.backends.images import Use
    from dodas.containers.prepare import Pull


class LocalBackend:
    """Runs steps here.  Implements :class:`dodas.backend.Backend`.

    Cores, memory and GPUs are promised to steps and never more than there are; time and memory limits are
    enforced on everything that a step starts.  When this process ends, however it ends, so do its steps.

    Args:
        cores: Processors to use; default: those that this process may use.
        memory: Bytes to use; default: what this process may use.
        gpus: How many GPUs to use; default: all that this process may use.
        engine: How containers are run, as for :func:`dodas.worker.choose.choose`.
        store: Directory of the image store; default :func:`dodas.paths.store_dir`.
        logs: Directory for the standard streams of steps that do not redirect them.
        scratch: Directory on a local disk; default :func:`dodas.paths.scratch_dir`.
        pull: When to ask a registry for an image: ``missing``, ``never`` or ``always``.
        images: Prepares images in another way than from ``store`` and registries.
        depot: Brings files from and to URLs; default: as the environment says.
        worker: Makes the worker that starts steps, and another one if it dies.

    Raises:
        SpecError: More GPUs are asked for than there are.
        StoreError: There is no scratch space.
    """

    def __init__(
        self,
        *,
        cores: float | None = None,
        memory: int | None = None,
        gpus: int | None = None,
        engine: str = "",
        store: str | None = None,
        logs: str,
        scratch: str | None = None,
        pull: Pull = "missing",
        images: Use | None = None,
        depot: Depot | None = None,
        worker: Callable[[], Worker] | None = None,
    ) -> None:
        own = _gpus(gpus)
        self._total = Room(
            micro(capacity.cores() if cores is None else cores),
            capacity.memory() if memory is None else memory,
            len(own),
        )
        self._ids: set[str] = set()
        self._mutex = threading.Lock()
        self._closed = False
        self._outbox = Outbox()
        starts = Starts(logs, own)
        self._loop = Loop(
            total=self._total,
            emit=self._outbox.put,
            make_worker=worker or (lambda: Worker(scratch)),
            use=images or PreparedImages(store, pull),
            engine=EngineChoice(engine),
            depot=depot,
            launch=starts.launch,
            ended=starts.ended,
        )
        # A daemon: the interpreter joins other threads before it runs the finalizer, which ends this one.
        self._thread = threading.Thread(target=self._loop.run, name="dodas-local", daemon=True)
        self._thread.start()
        self._end = weakref.finalize(self, _end, self._loop, self._thread, os.getpid())

    def submit(self, steps: Sequence[Step]) -> None:
        """See :meth:`dodas.backend.Backend.submit`."""
        for step in steps:
            self._check(step)
        with self._mutex:
            if self._closed or not self._thread.is_alive():
                raise BackendError("the local backend is closed", hint="make a new one")
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

    def withdraw(self, steps: Collection[str]) -> frozenset[str]:
        """End those steps that have not begun, as cancelled, and return their ids; the others go on."""
        return self._loop.withdraw(steps)

    def close(self) -> None:
        """See :meth:`dodas.backend.Backend.close`.  The events of what was ended can still be read."""
        with self._mutex:
            self._closed = True
        self._end()

    def __enter__(self) -> LocalBackend:
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
        plan.check(step)
        wanted = Room.of(step.resources)
        if self._total.holds(wanted):
            return
        has = self._total
        for want, have, asks, gives in (
            (wanted.cores, has.cores, f"{step.resources.cores:g} cores", f"{has.cores / 1e6:g}"),
            (wanted.memory, has.memory, f"{size(wanted.memory)} of memory", size(has.memory)),
            (wanted.gpus, has.gpus, f"{wanted.gpus} GPUs", f"{has.gpus}"),
        ):
            if want > have:
                raise SpecError(
                    f"step {step.name!r} asks for {asks} and there are {gives} here",
                    hint="let the step ask for less, or run it where there is more",
                )


def _gpus(wanted: int | None) -> tuple[gpus.Gpu, ...]:
    found = gpus.found()
    if wanted is not None and wanted > len(found):
        raise SpecError(
            f"{wanted} GPUs are asked for and {len(found)} can be used here",
            hint="look at CUDA_VISIBLE_DEVICES and at `ls /dev/nvidia* /dev/dri`",
        )
    return found[:wanted]


def _end(loop: Loop, thread: threading.Thread, owner: int) -> None:
    if os.getpid() == owner:  # not a forked child on its way out
        loop.close()
        thread.join()
