"""Supervisors forked ahead, each with the child that will become the command: a start waits for neither.

A spare is good for one engine, and with or without a network where that can be had: both decide the
namespaces of its child.  Its launch arrives on a socket, which it closes when it has taken the launch; it
ends when the other side does.  It has what the fork server had when it was made, which never changes its
limits, its mask, its processors or its directory; what a launch asks of these comes after.
"""

from __future__ import annotations

import marshal
import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress

from dodas.containers.engines import engine
from dodas.containers.engines.base import Engine, is_spawner
from dodas.containers.launch import Launch, LaunchFault, Outcome
from dodas.worker import supervisor
from dodas.worker.child import WaitingChild
from dodas.worker.watch import WATCHED

_Kind = tuple[str, bool]  # engine, network
_Work = Callable[[int], None]

# A longer launch is not worth a spare; it must fit into a socket, at once.
_LARGEST = 1 << 16


class Spares:
    """The spares of a fork server: at most one of each kind that was wanted.

    Args:
        fork: Returns the process id of a child that does a piece of work, given its parent's process id.
        tell: What a spare calls with a key and how that launch ended.
    """

    def __init__(self, fork: Callable[[_Work], int], tell: Callable[[str, Outcome], object]) -> None:
        self._fork = fork
        self._tell = tell
        self._idle: dict[_Kind, _Spare] = {}
        self._given: dict[int, _Spare] = {}  # those that may not have taken their launch yet
        self._wanted: _Kind | None = None

    def start(self, key: str, launch: Launch) -> int | None:
        """Give a launch to a spare and return its process id; ``None`` if there is none for it."""
        kind = launch.engine, launch.network or not engine(launch.engine).isolates_network
        self._wanted = kind
        spare = self._idle.get(kind)
        if spare is None or not spare.give(key, launch):
            return None
        self._given[spare.pid] = self._idle.pop(kind)
        return spare.pid

    def wanting(self) -> bool:
        """Return whether the last start has left a place for :meth:`make`."""
        return self._wanted is not None and self._wanted not in self._idle

    def make(self) -> None:
        """Make the spare that the last start would have liked to find; if it fails, the next does without."""
        kind, self._wanted = self._wanted, None
        if kind is None:
            return
        for spare in self._given.values():
            spare.look()
        for pid in [pid for pid, spare in self._given.items() if spare.taken]:
            self.forget(pid)
        with suppress(OSError):
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)

            def work(parent: int) -> None:
                ours.close()
                _stand_by(theirs, kind, parent, self._tell)

            with theirs:
                self._idle[kind] = _Spare(self._fork(work), ours)

    def pids(self) -> Iterator[int]:
        """Yield the process ids of those that wait for a launch."""
        return (spare.pid for spare in self._idle.values())

    def untaken(self, pid: int) -> Launch | None:
        """Forget a spare that died; return its launch if it had been given one that it never took."""
        launch = None
        if pid in self._given:
            spare = self._given[pid]
            spare.look()
            launch = spare.launch if spare.left else None
        self.forget(pid)
        return launch

    def forget(self, pid: int) -> None:
        """Let go of the spare ``pid``, whatever becomes of its launch."""
        for kind in [kind for kind, spare in self._idle.items() if spare.pid == pid]:
            self._idle.pop(kind).close()
        if pid in self._given:
            self._given.pop(pid).close()

    def close(self) -> None:
        """Let go of all; those without a launch end."""
        self._wanted = None
        for spare in (*self._idle.values(), *self._given.values()):
            spare.close()
        self._idle.clear()
        self._given.clear()


class _Spare:
    """One spare, as the fork server sees it.

    Attributes:
        pid: Its process id.
        launch: What it was given.
        taken: Whether it is known to have taken that.
        left: Whether it is known to have died without.
    """

    def __init__(self, pid: int, orders: socket.socket) -> None:
        self.pid = pid
        self.launch: Launch | None = None
        self.taken = self.left = False
        self._orders = orders

    def give(self, key: str, launch: Launch) -> bool:
        """Hand a launch over; return whether that was possible."""
        packet = marshal.dumps((key, launch.plain()))
        if len(packet) > _LARGEST:
            return False
        try:
            self._orders.send(packet, socket.MSG_DONTWAIT)
        except OSError:  # it is dead
            return False
        self.launch = launch
        return True

    def look(self) -> None:
        """See what became of the launch.

        A socket that is closed with something unread in it resets its peer, once (unix(7)).
        """
        try:
            self.taken = not self._orders.recv(1, socket.MSG_DONTWAIT) and not self.left
        except BlockingIOError:
            pass
        except ConnectionResetError:
            self.left = True

    def close(self) -> None:
        """Let go of it."""
        self._orders.close()


def _stand_by(
    orders: socket.socket, kind: _Kind, parent: int, tell: Callable[[str, Outcome], object]
) -> None:
    """Be a spare: get ready, wait for a launch, and supervise it."""
    name, network = kind
    how = engine(name)
    supervisor.settle()
    try:
        child = _child(how, network, orders)
    except (LaunchFault, OSError):
        return  # the next start does without, and says why
    packet = orders.recv(_LARGEST, socket.MSG_PEEK)
    if not packet:
        return
    if _disturbed(parent) and child is not None:
        child.end()
        child = WaitingChild(how, network, orders)
    orders.recv(1)  # from here on it is this process's business
    orders.close()
    key, plain = marshal.loads(packet)  # noqa: S302 - our parent's
    launch = Launch(**plain)
    supervisor.supervise(launch, (None, None, None), parent, lambda outcome: tell(key, outcome), child)


def _child(how: Engine, network: bool, orders: socket.socket) -> WaitingChild | None:
    """Return a child that waits, unless the engine will start its command without one."""
    if is_spawner(how):
        how.get_ready()
        return None
    return WaitingChild(how, network, orders)


def _disturbed(parent: int) -> bool:
    """Forget signals that came while there was no launch for them; return whether there were any.

    Whoever sent them may have sent them to the child as well; or they tell that it is dead.
    """
    disturbed = False
    meant = []
    while (arrived := signal.sigtimedwait(WATCHED, 0)) is not None:
        if arrived.si_pid == parent:
            meant.append(arrived.si_signo)
        else:
            disturbed = True
    for number in meant:
        os.kill(os.getpid(), number)
    return disturbed
