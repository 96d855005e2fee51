"""Supervisors that wait for a launch, each with the child that will become the command, and no start waits.

One is forked ahead of the first launch that it could take; after a launch that left nothing behind it waits
for another.  It is good for one engine, and with or without a network where that can be had: both decide the
namespaces of its child.  A launch arrives on a socket, on which it says when it waits for another; it ends
when the other side closes that.  It has what the fork server
had when it was made, which never changes its limits, its mask, its processors or its directory; what a launch
asks of these comes after, in the child, or is the end of it.  It makes the launch's scratch directory ahead,
under a name of its own: on many disks that takes a good part of a start.
"""

from __future__ import annotations

import marshal
import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial

from dodas.containers.engines import engine
from dodas.containers.engines.base import Engine, is_spawner
from dodas.containers.launch import Launch, LaunchFault, Outcome
from dodas.containers.removal import remove_tree
from dodas.worker import supervisor
from dodas.worker.child import WaitingChild
from dodas.worker.watch import WATCHED

_Kind = tuple[str, bool]  # engine, network
_Work = Callable[[int], None]

# A longer launch is not worth a spare; it must fit into a socket, at once.
_LARGEST = 1 << 16
_IDLE = b"i"
_UNREADY = 2
# More do not make a start quicker, unless many steps end and start at once.
_KEPT = 3
# After so many launches what Python did not give back is worth a new process.
_LIFE = 200


class Spares:
    """The spares of a fork server: a few of each kind that was wanted, and those with a launch.

    Args:
        fork: Returns the process id of a child that does a piece of work, given its parent's process id.
        tell: What a spare calls with a key and how that launch ended.
        scratch: Directory in which spares make those of launches.
    """

    def __init__(
        self, fork: Callable[[_Work], int], tell: Callable[[str, Outcome], object], scratch: str
    ) -> None:
        self._fork = fork
        self._tell = tell
        self._scratch = scratch
        self._made = 0
        self._idle: dict[_Kind, list[_Spare]] = {}
        self._given: dict[int, _Spare] = {}  # those with a launch
        self._wanted: _Kind | None = None

    def start(self, key: str, launch: Launch) -> int | None:
        """Give a launch to a spare and return its process id; ``None`` if there is none for it."""
        kind = launch.engine, launch.network or not engine(launch.engine).isolates_network
        self._wanted = kind
        packet = marshal.dumps((key, launch.plain()))
        idle = self._idle.get(kind)
        while idle and len(packet) <= _LARGEST:
            spare = idle.pop()
            if spare.give(packet, launch):
                self._given[spare.pid] = spare
                return spare.pid
            spare.close()
        return None

    def rested(self) -> list[int]:
        """Return the process ids of those that are over with their launch, and can have another."""
        over = []
        for pid, spare in tuple(self._given.items()):
            if spare.look():
                over.append(pid)
                del self._given[pid]
                idle = self._idle.setdefault(spare.kind, [])
                idle.append(spare)
                if len(idle) > _KEPT:
                    idle.pop(0).close()
        return over

    def wanting(self) -> bool:
        """Return whether the last start has left a place for :meth:`make`."""
        return self._wanted is not None and not self._idle.get(self._wanted)

    def make(self) -> None:
        """Make the spare that the last start would have liked to find; if it fails, the next does without."""
        kind, self._wanted = self._wanted, None
        if kind is None:
            return
        with suppress(OSError):
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            self._made += 1
            place = os.path.join(self._scratch, f"s{self._made}")

            def work(parent: int) -> None:
                ours.close()
                _stand_by(theirs, kind, parent, self._tell, place)

            with theirs:
                self._idle.setdefault(kind, []).append(_Spare(self._fork(work), ours, kind))

    def pids(self) -> Iterator[int]:
        """Yield the process ids of those that wait for a launch."""
        return (spare.pid for idle in self._idle.values() for spare in idle)

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
        """Let go of the spare ``pid``, whatever becomes of its launch; it gets no other."""
        for idle in self._idle.values():
            for spare in [spare for spare in idle if spare.pid == pid]:
                idle.remove(spare)
                spare.close()
        if pid in self._given:
            self._given.pop(pid).close()

    def close_idle(self) -> None:
        """Let go of those without a launch, which end."""
        for spare in (spare for idle in self._idle.values() for spare in idle):
            spare.close()
        self._idle.clear()

    def close(self) -> None:
        """Let go of all."""
        self._wanted = None
        self.close_idle()
        for spare in self._given.values():
            spare.close()
        self._given.clear()


class _Spare:
    """One spare, as the fork server sees it.

    Attributes:
        pid: Its process id.
        kind: What it is good for.
        launch: What it was given last.
        left: Whether it is known to have died without taking that.
    """

    def __init__(self, pid: int, orders: socket.socket, kind: _Kind) -> None:
        self.pid = pid
        self.kind = kind
        self.launch: Launch | None = None
        self.left = False
        self._orders = orders

    def give(self, packet: bytes, launch: Launch) -> bool:
        """Hand a launch over; return whether that was possible."""
        try:
            self._orders.send(packet, socket.MSG_DONTWAIT)
        except OSError:  # it is dead
            return False
        self.launch = launch
        return True

    def look(self) -> bool:
        """See what became of the launch; return whether it is over, and the spare waits for another.

        A socket that is closed with something unread in it resets its peer, once (unix(7)).
        """
        try:
            return self._orders.recv(1, socket.MSG_DONTWAIT) == _IDLE
        except BlockingIOError:
            return False
        except ConnectionResetError:
            self.left = True
            return False

    def close(self) -> None:
        """Let go of it."""
        self._orders.close()


def _stand_by(
    orders: socket.socket, kind: _Kind, parent: int, tell: Callable[[str, Outcome], object], place: str
) -> None:
    """Be a spare: get ready, wait for a launch, and supervise it; again and again."""
    name, network = kind
    how = engine(name)
    supervisor.settle()
    for left in range(_LIFE, 0, -1):
        scratch = f"{place}.{left}"
        child = _child(how, network, orders, scratch)
        moved = supervisor.bytes_moved()
        packet = _next(orders)
        if not packet:
            if child is not None:
                child.end()
            remove_tree(scratch)
            return
        if _disturbed(parent) and child is not None:
            child.end()
            child = WaitingChild(how, network, orders)
        orders.recv(1)  # from here on it is this process's business
        key, plain = marshal.loads(packet)  # noqa: S302 - our parent's
        as_before = supervisor.supervise(
            Launch(**{**plain, "scratch": scratch}),
            (None, None, None),
            parent,
            partial(tell, key),
            child,
            moved,
        )
        if child is not None:
            child.close()
        if not as_before or not _was_left_alone(parent) or left == 1:
            return
        with suppress(BrokenPipeError, ConnectionResetError):  # it gets no other
            orders.send(_IDLE)


def _next(orders: socket.socket) -> bytes:
    """Wait for a launch, and leave it on the socket; nothing if none will come."""
    try:
        return orders.recv(_LARGEST, socket.MSG_PEEK)
    except ConnectionResetError:  # closed, and the last word was not heard
        return b""


def _was_left_alone(parent: int) -> bool:
    """Forget the signals that came for what is over; return whether none of them came from ``parent``."""
    return parent not in [arrived.si_pid for arrived in _arrived()]


def _child(how: Engine, network: bool, orders: socket.socket, scratch: str) -> WaitingChild | None:
    """Return a child that waits, unless the engine will start its command without one; makes ``scratch``."""
    try:
        os.mkdir(scratch, 0o700)
        if is_spawner(how):
            how.get_ready(scratch)
            return None
        return WaitingChild(how, network, orders)
    except (LaunchFault, OSError):
        os._exit(_UNREADY)  # the next start does without, and says why


def _disturbed(parent: int) -> bool:
    """Forget signals that came while there was no launch for them; return whether there were any.

    Whoever sent them may have sent them to the child as well; or they tell that it is dead.
    """
    disturbed = False
    meant = []
    for arrived in _arrived():
        if arrived.si_pid == parent:
            meant.append(arrived.si_signo)
        else:
            disturbed = True
    for number in meant:
        os.kill(os.getpid(), number)
    return disturbed


def _arrived() -> Iterator[signal.struct_siginfo]:
    """Take the signals that wait to be taken."""
    while (arrived := signal.sigtimedwait(WATCHED, 0)) is not None:
        yield arrived
