"""The worker's life: checks, daemons, and the end."""

from __future__ import annotations

import math
import os
import select
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from dodas.containers.launch import Launch
from dodas.node import cache
from dodas.node.daemons import MASTER
from dodas.node.pilot import checks
from dodas.node.pilot.checks import NodeUnfit
from dodas.node.pilot.order import Check, PilotOrder
from dodas.node.pilot.room import Room
from dodas.node.slot import Slot
from dodas.node.surroundings import variables
from dodas.worker import strays
from dodas.worker.client import Ended, Worker

Tell = Callable[[str, str], None]

_KEY = "daemons"
_SLACK = 15.0  # seconds in which the daemons say good-bye
_EVERY = 15.0  # seconds between looks at the disk
_FULL = checks.ENOUGH // 4
_SAID = 40  # lines of each log that are printed where nobody could read it else


class Work:
    """The work of one order.

    Args:
        order: What to be.
        directory: Where the order lies, with the token.
        tell: Is told how it goes: phase, reason.
    """

    def __init__(self, order: PilotOrder, directory: str, tell: Tell) -> None:
        self._order = order
        self._directory = directory
        self._tell = tell
        self._asked = 0  # how often it was told to end
        self._why = ""
        self._unfit = ""
        self._began = time.time()
        self._supervisor = 0
        self._room: Room | None = None
        self._vacate_at = math.inf  # when jobs that still run are sent away
        self._gone_at = math.inf  # when what is left is killed

    def run(self) -> str:
        """Be a worker until it is over; return why it was.

        Raises:
            NodeUnfit: The node cannot do the work.
            DodasError: Something that it needs cannot be had.
            OSError: Likewise.
        """
        wake = self._listen()
        home = cache.home(Slot(sandbox=os.getcwd()))
        os.environ["DODAS_CACHE"] = home
        with Worker() as worker:
            os.environ.update(variables(home, os.environ.get("DODAS_SCRATCH") or worker.scratch))
            self._check(worker.scratch)
            with self._daemons(worker.scratch, home) as launch:
                if not self._asked:
                    self._tell("running", "")
                    worker.start(_KEY, launch)
                    self._attend(worker, wake)
        if self._unfit:
            raise NodeUnfit(self._unfit)
        return self._why

    def _listen(self) -> int:
        """Return a descriptor that is readable when a signal has come."""
        reader, writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.set_wakeup_fd(writer)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._told)
        return reader

    def _told(self, number: int, frame: FrameType | None) -> None:
        self._asked += 1

    def _check(self, place: str) -> None:
        self._tell("checking", "")
        checks.disk(place, self._order.disk)
        for check in self._order.checks:
            checks.run(check, dict(self._order.environment))

    @contextmanager
    def _daemons(self, place: str, home: str) -> Iterator[Launch]:
        """Hold what the daemons need, and give their launch."""
        order = self._order
        room = self._room = Room(order, self._directory, os.path.join(place, "p"), ends=self._ends())
        if not order.image:
            yield room.beside()
        else:
            from dodas.containers.prepare import using  # noqa: PLC0415 - slow to import, and not always needed
            from dodas.containers.store import Store  # noqa: PLC0415
            from dodas.worker.choose import program_of  # noqa: PLC0415

            engine = checks.engine(order)
            self._tell("preparing", order.image)
            store = Store(order.store or os.path.join(home, "store"))
            with using(store, order.image, pull="missing") as root:
                yield room.in_container(root, engine, program_of(engine))
        self._print(room)

    def _ends(self) -> float:
        ends = self._began + self._order.lifetime
        return ends if self._order.end is None else min(ends, self._order.end)

    def _attend(self, worker: Worker, wake: int) -> None:
        """Wait for the end of the daemons, and bring it about when it is time."""
        poll = select.poll()
        poll.register(worker.fileno(), select.POLLIN)
        poll.register(wake, select.POLLIN)
        due = {check: time.monotonic() + check.every for check in self._order.checks if check.every}
        while True:
            poll.poll(1000 * self._pause())
            for news in worker.told():
                if isinstance(news, Ended):
                    self._ended(news)
                    return
                self._supervisor = news.pid
            _drain(wake)
            self._look(worker, due)

    def _pause(self) -> float:
        """Return for how long nothing need be done unless something happens."""
        leaving = min(self._vacate_at, self._gone_at) - time.monotonic()
        until = leaving if self._why else self._leave_at() - time.time()
        return min(_EVERY, max(0.05, until))

    def _look(self, worker: Worker, due: dict[Check, float]) -> None:
        if self._asked > 1 or time.monotonic() >= self._gone_at:
            worker.stop(_KEY, now=True)
        elif time.monotonic() >= self._vacate_at:
            self._vacate_at = math.inf
            self._signal(signal.SIGTERM)
        elif self._why:
            return
        elif self._asked:
            self._leave(worker, "it was told to end")
        elif time.time() >= self._leave_at():
            self._leave(worker, "its time is over")
        else:
            self._look_again(worker, due)

    def _look_again(self, worker: Worker, due: dict[Check, float]) -> None:
        """See whether the node is still fit."""
        try:
            checks.disk(worker.scratch, _FULL)
            for check, at in due.items():
                if time.monotonic() >= at:
                    due[check] = time.monotonic() + check.every
                    checks.run(check, dict(self._order.environment))
        except NodeUnfit as error:
            self._unfit = str(error)
            self._leave(worker, self._unfit)

    def _leave_at(self) -> float:
        """Return when it must begin to leave, so that jobs have their grace before the end."""
        return self._ends() - self._order.grace

    def _leave(self, worker: Worker, why: str) -> None:
        self._why = why
        self._tell("leaving", why)
        self._vacate_at = time.monotonic() + self._order.grace
        self._gone_at = self._vacate_at + _SLACK
        if self._room is not None:
            self._room.take_no_more()
        if not self._signal(signal.SIGHUP):
            worker.stop(_KEY)

    def _signal(self, number: int) -> bool:
        """Send a signal to HTCondor's master; return whether it is there.

        It is in a session of its own, so signals that are for the command of a launch do not reach it.
        """
        masters = [pid for pid in strays.descendants(self._supervisor) if _name(pid) == MASTER]
        for pid in masters:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        return bool(masters)

    def _ended(self, news: Ended) -> None:
        outcome = news.outcome
        if outcome.fault:
            self._unfit = self._unfit or outcome.fault
        elif not self._why:
            self._why = "nothing was to be done" if outcome.exit_code in (0, 99) else ""
            if not self._why:
                self._unfit = f"HTCondor ended with status {outcome.exit_code}"

    def _print(self, room: Room) -> None:
        """Print the ends of the logs, unless they lie where others can read them."""
        if room.logs.startswith(self._directory):
            return
        for name in sorted(os.listdir(room.logs)):
            with open(os.path.join(room.logs, name), "rb") as file:
                lines = file.read().decode(errors="replace").splitlines()
            print("\n".join((f"== {name}", *lines[-_SAID:])), flush=True)


def _name(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""


def _drain(wake: int) -> None:
    try:
        os.read(wake, 64)
    except BlockingIOError:
        return
