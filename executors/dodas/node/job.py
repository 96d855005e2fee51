"""One order carried out: staging, running, reporting."""

from __future__ import annotations

import math
import os
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from dodas.backend import Finished, Started
from dodas.backends import capacity
from dodas.backends import results as endings
from dodas.backends.local import LocalBackend
from dodas.containers.removal import remove_tree
from dodas.errors import DodasError, SpecError, TransferError
from dodas.node import surplus
from dodas.node.order import INPUTS, Order, StepOrder
from dodas.node.outgoing import Outgoing
from dodas.node.results import NAME, Report, StepReport, read, write
from dodas.node.slot import Slot, given_back, of_site
from dodas.node.stage import Stage, missing
from dodas.step import Failure, Result, Step
from dodas.worker.client import Worker

if TYPE_CHECKING:
    from dodas.backends.bringing import Bringing
    from dodas.backends.depot import Depot
    from dodas.node.supply import Supply

_ALONE = "results.{}.json"
_FULL = 1 << 20  # bytes; with less a disk is full, whatever the tool said


class Job:
    """An order on its way.

    Args:
        order: What to do.
        slot: What there is to do it with.
        out: Directory for the report, and where the disk is not shared for what travels back.
        store: Directory of the image store.
        worker: Starts the steps.
    """

    def __init__(self, order: Order, slot: Slot, *, out: str, store: str, worker: Worker) -> None:
        self._order = order
        self._slot = slot
        self._work = os.path.join(slot.sandbox, "w")
        self._blobs = os.path.join(slot.sandbox, INPUTS)
        self._outgoing = Outgoing(out)
        self._numbers = {one.step.id: number for number, one in enumerate(order.steps)}
        self._stages: dict[str, Stage] = {}
        self._reports: list[StepReport] = []
        self._problem = ""
        self._failure = Failure.CONTAINER
        left = given_back(slot) if order.patience is not None else frozenset()
        self._left = frozenset(number for number in left if number < len(order.steps))
        self._store = store
        self._workers = [worker]
        self._supply: Supply | None = None
        self._depot = self._make_depot() if order.papers else None

    def run(self) -> bool:
        """Run the steps and write the report; return whether each has a result or was given back.

        Raises:
            OSError: The report cannot be written.
        """
        try:
            self._run()
        except DodasError as error:
            self._give_up(f"{error}; {error.hint}" if error.hint else str(error))
        except OSError as error:
            self._give_up(_words(error))
        finally:
            remove_tree(self._work)  # whatever modes its directories have, over which others may stumble
        self._write(NAME, self._reports)
        return len(self._reports) + len(self._left) == len(self._order.steps)

    def _run(self) -> None:
        self._reports += self._earlier()
        done = {report.result.step for report in self._reports}
        left = [
            one
            for number, one in enumerate(self._order.steps)
            if one.step.id not in done and number not in self._left
        ]
        engine = ""
        if any(one.step.image is not None for one in left):
            engine = self._ready_for_containers()
        steps = [self._staged(one) for one in left]
        with LocalBackend(
            cores=self._cores(),
            memory=self._memory(),
            engine=engine,
            logs=self._order.logs or os.path.join(self._work, "logs"),
            images=self._supply,
            depot=self._depot,
            worker=lambda: self._workers.pop() if self._workers else Worker(),
        ) as backend:
            for step in steps:
                self._submit(backend, step)
            for result in self._results(backend):
                self._take(result)

    def _earlier(self) -> Iterator[StepReport]:
        """Yield what this job got done before it lost a node, which on a shared disk is still there."""
        for number in self._numbers.values() if self._order.shared else ():
            path = os.path.join(self._outgoing.directory, _ALONE.format(number))
            if os.path.exists(path):
                with suppress(TransferError):  # cut off by the death of the node: it is not done
                    yield from read(path).steps

    def _ready_for_containers(self) -> str:
        """Choose an engine, which is returned, and open the image store."""
        from dodas.node.supply import Supply  # noqa: PLC0415 - not needed without containers
        from dodas.worker.choose import choose  # noqa: PLC0415

        self._supply = Supply(
            self._store,
            dict(self._order.images),
            pull=self._order.pull,
            chirp=self._slot.chirp if self._order.chirp else "",
            blobs=self._blobs,
            bound=self._order.cache_bytes,
            own=not (self._order.shared and self._order.store),
            bring=self._bringing(),
        )
        return choose(self._order.engine)

    def _bringing(self) -> Bringing:
        """Return what brings images that the submit side does not have."""
        from dodas.backends.bringing import Bringing  # noqa: PLC0415 - see above
        from dodas.node import papers  # noqa: PLC0415

        here = self._order.papers if self._order.shared else self._blobs
        return Bringing(lambda: papers.storage(here))

    def _make_depot(self) -> Depot:
        """Return what speaks to storage, with the credentials that came along."""
        from dodas.backends.depot import Depot  # noqa: PLC0415 - not needed without URLs
        from dodas.node import papers  # noqa: PLC0415

        shared, there = self._order.shared, self._order.papers
        here = there if shared else self._blobs
        chirp = self._slot.chirp if self._order.chirp and not shared else ""
        return Depot(
            storage=lambda: papers.storage(here),
            ready=papers.Renewal(papers.by_chirp(chirp), there, here) if chirp else None,
        )

    def _staged(self, one: StepOrder) -> Step:
        has = {name for name, _ in one.step.env}
        site = tuple((name, value) for name, value in of_site(os.environ) if name not in has)
        if site:
            one = replace(one, step=replace(one.step, env=(*site, *one.step.env)))
        if self._order.shared:
            return one.step
        base = os.path.join(self._work, str(self._numbers[one.step.id]))
        stage = self._stages[one.step.id] = Stage(one, base, self._blobs, self._once)
        return stage.lay_out()

    @cached_property
    def _once(self) -> frozenset[str]:
        """What came along for one place only, and can be moved there."""
        uses = Counter(
            entry.blob for one in self._order.steps for item in one.brought for entry in item.entries
        )
        return frozenset(blob for blob, count in uses.items() if count == 1)

    def _cores(self) -> float:
        wanted = max(one.step.resources.cores for one in self._order.steps)
        return max(wanted, self._slot.cores or self._order.cores)

    def _memory(self) -> int:
        # The slot's is a whole number of MiB, which may be a little less than what a step asks for.
        wanted = max(one.step.resources.memory or 0 for one in self._order.steps)
        return max(wanted, self._slot.memory or self._order.memory or capacity.memory())

    def _results(self, backend: LocalBackend) -> Iterator[Result]:
        """Yield the results of steps; when time is up, those that have not begun are given back."""
        patience = self._order.patience if self._slot.chirp else None
        deadline = None
        while True:
            now = time.monotonic()
            if patience is not None and deadline is not None and now >= deadline:
                self._give_back(backend, now - deadline + patience)
                patience = deadline = None
            events = list(backend.events(None if deadline is None else deadline - now))
            if not events and (deadline is None or time.monotonic() < deadline):
                return
            for event in events:
                if isinstance(event, Started) and deadline is None and patience is not None:
                    deadline = time.monotonic() + patience
                elif isinstance(event, Finished) and self._numbers[event.step] not in self._left:
                    yield event.result

    def _give_back(self, backend: LocalBackend, elapsed: float) -> None:
        """Let steps that have not begun be run elsewhere, since the job takes longer than was thought."""
        withdrawn = backend.withdraw(tuple(self._numbers))
        if not withdrawn and not self._order.shared:
            return  # nobody could do anything about it
        self._left |= {self._numbers[step] for step in withdrawn}
        done = len(self._reports)
        lanes = max(1, int(self._cores() / self._order.cores))
        # Where no step has ended, nothing is known but that they are too long to share a job.
        each = elapsed * lanes / done if done else math.inf
        surplus.tell(self._slot.chirp, surplus.Surplus(positions=self._left, each=each))

    def _submit(self, backend: LocalBackend, step: Step) -> None:
        try:
            backend.submit((step,))
        except SpecError as error:
            reason = f"{error}; {error.hint}" if error.hint else str(error)
            self._take(endings.never_started(step, Failure.CONTAINER, reason))

    def _take(self, result: Result) -> None:
        problem = self._trouble(result)
        if problem:
            staging = result.failure in (Failure.STAGE_IN, Failure.STAGE_OUT)
            self._give_up(problem, result.failure if staging and result.failure else Failure.CONTAINER)
            return
        report = self._collected(result)
        self._reports.append(report)
        if self._order.shared:
            self._write(_ALONE.format(self._numbers[result.step]), [report])

    def _trouble(self, result: Result) -> str:
        """Return why a failure says nothing of the step: the node could not; empty if it says something."""
        if result.failure is Failure.CONTAINER and self._supply is not None and self._supply.trouble:
            return self._supply.trouble
        if result.failure in (Failure.STAGE_IN, Failure.STAGE_OUT) and self._depot and self._depot.trouble:
            return self._depot.trouble
        if result.failure in (Failure.LOST, Failure.CANCELLED):
            return result.reason
        if result.failure is not None and _is_full(self._slot.sandbox):
            return f"the disk of {result.node} is full"
        return ""

    def _collected(self, result: Result) -> StepReport:
        try:
            stage = self._stages.get(result.step)
            if stage is None:
                step = self._order.steps[self._numbers[result.step]].step
                return StepReport(result=_judged(result, missing(step)))
            returned, lacking = stage.collect(self._outgoing)
            plain = replace(result, stdout=None, stderr=None)
            return StepReport(result=_judged(plain, lacking), returned=returned)
        except TransferError as error:
            return StepReport(result=replace(result, failure=Failure.STAGE_OUT, reason=str(error)))

    def _give_up(self, problem: str, failure: Failure = Failure.CONTAINER) -> None:
        if not self._problem:
            self._problem, self._failure = problem, failure

    def _write(self, name: str, reports: Sequence[StepReport]) -> None:
        report = Report(
            run=self._order.run,
            job=self._order.job,
            steps=tuple(reports),
            problem=self._problem,
            failure=self._failure,
            node=os.uname().nodename,
            left=tuple(sorted(self._left)),
        )
        write(os.path.join(self._outgoing.directory, name), report)


def _judged(result: Result, lacking: str) -> Result:
    if result.ok and lacking:
        reason = f"the step ended well, but did not make its output {lacking}"
        return replace(result, failure=Failure.STAGE_OUT, reason=reason)
    return result


def _is_full(path: str) -> bool:
    status = os.statvfs(path)
    return status.f_bavail * status.f_frsize < _FULL


def _words(error: OSError) -> str:
    where = f": {error.filename}" if error.filename else ""
    return f"this node cannot do it: {error.strerror or error}{where}"
