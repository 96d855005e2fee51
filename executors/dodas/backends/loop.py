"""The one thread in which a local backend does everything that does not block."""

from __future__ import annotations

import os
import selectors
import threading
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from dodas.backend import Event, Finished, Preparing, Started
from dodas.backends import images, results
from dodas.backends.admission import Admission, Room
from dodas.backends.jobs import Job, State
from dodas.backends.launcher import Launcher
from dodas.backends.mailbox import Mailbox
from dodas.backends.memory import MemoryWatch
from dodas.containers.launch import Launch, Outcome
from dodas.errors import DodasError
from dodas.step import Failure, Result, Step
from dodas.worker import remote
from dodas.worker.client import Began, News, Worker

if TYPE_CHECKING:
    from dodas.backends.depot import Depot
    from dodas.backends.transfernews import TransferNews
    from dodas.backends.transfers import Transfers

_FAILED = "dodas failed; see its log"


class Loop:
    """Takes each step from :meth:`submit` to its :class:`Finished` event.

    Args:
        total: What may be used at once.
        emit: Takes the events.
        make_worker: Makes a worker.
        use: Prepares an image, slowly, and holds it.
        engine: Names the engine for containers, slowly the first time.
        depot: Brings files from and to URLs; made when it is needed if there is none.
        launch: Makes the launch of a job about to start, its GPUs and log files included.
        ended: Is told of each job that was launched and is over.
    """

    def __init__(
        self,
        *,
        total: Room,
        emit: Callable[[Event], None],
        make_worker: Callable[[], Worker],
        use: images.Use,
        engine: Callable[[], str],
        depot: Depot | None,
        launch: Callable[[Job], Launch],
        ended: Callable[[Job], None],
    ) -> None:
        self._emit = emit
        self._launch = launch
        self._ended = ended
        self._jobs: dict[str, Job] = {}
        self._taken = 0
        self._expecting: dict[str, dict[str, None]] = {}  # image -> steps that wait for it, the eldest first
        self._ready: dict[str, images.Ready] = {}
        self._admission = Admission(total)
        self._memory = MemoryWatch()
        self._closing = False
        self._node = os.uname().nodename
        self._selector = selectors.DefaultSelector()
        self._mailbox = Mailbox()
        self._selector.register(self._mailbox, selectors.EVENT_READ)
        self._launcher = Launcher(make_worker, self._selector)
        self._images = images.Images(use, engine, self._post_image)
        self._depot = depot
        self._transfers: Transfers | None = None

    def submit(self, steps: Sequence[Step]) -> None:
        """Take steps that have been found good.  From any thread, as the next two."""
        if not self._mailbox.post(lambda: self._take(steps)):
            for step in steps:
                result = results.never_started(step, Failure.LOST, _FAILED)
                self._emit(Finished(step=step.id, time=time.time(), result=result))

    def cancel(self, steps: Collection[str]) -> None:
        """Ask for steps to end."""
        wanted = tuple(steps)
        self._mailbox.post(lambda: self._cancel(wanted))

    def withdraw(self, steps: Collection[str]) -> frozenset[str]:
        """End those steps that have not begun, and return their ids; not from the loop's own thread."""
        wanted = tuple(steps)
        done = threading.Event()
        ended: set[str] = set()

        def call() -> None:
            ended.update(self._withdraw(wanted))
            done.set()

        if not self._mailbox.post(call):
            return frozenset()
        done.wait()
        return frozenset(ended)

    def close(self) -> None:
        """Ask for the end of everything."""
        self._mailbox.post(self._close)

    def run(self) -> None:
        """Work until closed and everything has ended."""
        try:
            while not (self._closing and not self._jobs):
                self._turn()
        except Exception:
            import logging  # noqa: PLC0415 - takes milliseconds, and all is well nearly always

            logging.getLogger(__name__).exception("the local backend failed; its steps are lost")
        finally:
            self._closing = True
            for call in self._mailbox.close():  # came while the last turn was made
                call()
            try:
                self._images.close()
                if self._transfers is not None:
                    self._transfers.close()
                self._launcher.close()
            finally:
                self._selector.close()
                for job in tuple(self._jobs.values()):
                    self._finish(job, Failure.LOST, _FAILED)

    def _turn(self) -> None:
        self._selector.select(self._memory.wait())
        for call in self._mailbox.calls():
            call()
        for news in self._launcher.told():
            self._hear(news)
        for key, used in self._memory.look():
            self._jobs[key].over_memory = used
            self._launcher.stop(key, now=True)
        for key in self._admission.take():
            self._start(self._jobs[key])

    def _take(self, steps: Sequence[Step]) -> None:
        for step in steps:
            job = Job(step, self._taken, Room.of(step.resources))
            self._taken += 1
            self._jobs[step.id] = job
            if self._closing:
                self._finish(job, Failure.CANCELLED, "dodas is ending")
            elif step.image is None:
                self._fetch(job)
            elif step.image in self._ready:
                self._fetch(job, self._ready[step.image])
            else:
                self._expect(job, step.image)

    def _expect(self, job: Job, image: str) -> None:
        job.state = State.IMAGE
        if image not in self._expecting:
            self._expecting[image] = {}
            self._images.want(image)
        self._expecting[image][job.step.id] = None
        self._emit(Preparing(step=job.step.id, time=time.time(), what=f"image {image}"))

    def _fetch(self, job: Job, image: images.Ready | None = None) -> None:
        if image is not None:
            job.root, job.engine = image.root, image.engine
        if remote.comes(job.step):
            job.state = State.INPUTS
            self._open_transfers().fetch(job.step)
        else:
            self._admit(job)

    def _admit(self, job: Job) -> None:
        job.state = State.WAITING
        self._admission.add(job.step.id, job.age, job.room)

    def _post_image(self, news: images.ImageNews) -> None:
        self._mailbox.post(lambda: self._hear_image(news))

    def _hear_image(self, news: images.ImageNews) -> None:
        waiting = self._expecting.get(news.name, {})
        if isinstance(news, images.Word):
            # One line is enough for all who wait.
            for key in tuple(waiting)[:1]:
                self._emit(Preparing(step=key, time=time.time(), what=news.what))
            return
        self._expecting.pop(news.name, None)
        if isinstance(news, images.Ready):
            self._ready[news.name] = news
        for key in waiting:
            if isinstance(news, images.Ready):
                self._fetch(self._jobs[key], news)
            else:
                self._finish(self._jobs[key], Failure.CONTAINER, news.problem)

    def _open_transfers(self) -> Transfers:
        if self._transfers is None:
            from dodas.backends.depot import Depot  # noqa: PLC0415 - not needed without URLs
            from dodas.backends.transfers import Transfers  # noqa: PLC0415

            self._transfers = Transfers(self._depot or Depot(), self._post_transfer)
        return self._transfers

    def _post_transfer(self, news: TransferNews) -> None:
        self._mailbox.post(lambda: self._hear_transfer(news))

    def _hear_transfer(self, news: TransferNews) -> None:
        from dodas.backends import transfernews  # noqa: PLC0415 - see above

        job = self._jobs.get(news.step)
        if job is None:
            return
        if isinstance(news, transfernews.Word):
            self._emit(Preparing(step=news.step, time=time.time(), what=news.what))
        elif isinstance(news, transfernews.Fetched):
            job.shown = news.shown
            self._admit(job)
        elif job.result is None:
            self._finish(job, Failure.STAGE_IN, getattr(news, "problem", ""))
        elif isinstance(news, transfernews.Published):
            self._end(job, replace(job.result, outputs=(*job.result.outputs, *news.files)))
        else:
            self._end(job, replace(job.result, failure=Failure.STAGE_OUT, reason=news.problem))

    def _start(self, job: Job) -> None:
        try:
            launch = self._launch(job)
            job.hand_over(launch)
            if job.shown is not None:
                self._open_transfers().started(job.step.id)
            self._launcher.start(job.step.id, launch)
        except DodasError as error:
            self._finish(job, Failure.CONTAINER, f"{error}; {error.hint}" if error.hint else str(error))
        except OSError as error:
            self._finish(job, Failure.CONTAINER, f"cannot make {error.filename}: {error.strerror}")

    def _hear(self, news: News) -> None:
        # Two processes tell: the word of the end can be there first, or come twice if one is killed.
        job = self._jobs.get(news.key)
        if job is None:
            return
        if isinstance(news, Began):
            asked = job.step.resources
            limit = asked.memory if asked.memory_is_limit else None
            self._memory.add(news.key, news.pid, depth=job.depth(), limit=limit, measured=job.step.measured)
            if not job.began:  # a supervisor that was killed before it had the launch is replaced
                self._began(job, news.pid)
        else:
            self._over(job, news.outcome)

    def _began(self, job: Job, pid: int | None) -> None:
        job.began = True
        self._emit(Started(step=job.step.id, time=time.time(), node=self._node, pid=pid))

    def _over(self, job: Job, outcome: Outcome) -> None:
        if not job.began and outcome.exit_code is not None:
            self._began(job, None)
        seen = self._memory.remove(job.step.id)
        result = results.result(job.step, job.outcome(outcome), job.circumstances(seen))
        if result.ok and remote.outputs(job.step):
            self._publish(job, result)
        else:
            self._end(job, result)

    def _publish(self, job: Job, result: Result) -> None:
        job.state = State.OUTPUTS
        job.result = result
        self._admission.release(job.step.id)
        self._ended(job)
        self._open_transfers().publish(job.shown or job.step)

    def _finish(self, job: Job, failure: Failure, reason: str) -> None:
        self._end(job, results.never_started(job.step, failure, reason))

    def _end(self, job: Job, result: Result) -> None:
        del self._jobs[job.step.id]
        self._admission.withdraw(job.step.id)
        self._admission.release(job.step.id)
        self._ended(job)
        if self._transfers is not None:
            self._transfers.forget(job.step.id)
        self._emit(Finished(step=job.step.id, time=time.time(), result=result))

    def _cancel(self, steps: Collection[str]) -> None:
        self._withdraw(steps)
        for job in filter(None, map(self._jobs.get, steps)):
            if job.result is not None:
                reason = "cancelled while its outputs were being published"
                self._end(job, replace(job.result, failure=Failure.CANCELLED, reason=reason))
                continue
            job.cancelled = True
            self._launcher.stop(job.step.id)

    def _withdraw(self, steps: Collection[str]) -> list[str]:
        waiting = [job for job in map(self._jobs.get, steps) if job and not job.begun]
        for job in waiting:
            if job.step.image is not None:
                self._expecting.get(job.step.image, {}).pop(job.step.id, None)
            self._finish(job, Failure.CANCELLED, "cancelled before it started")
        return [job.step.id for job in waiting]

    def _close(self) -> None:
        self._closing = True
        self._cancel(tuple(self._jobs))
