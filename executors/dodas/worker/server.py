"""The fork server: a small, single-threaded process from which every step is forked.

Forking from the program itself would copy its threads' locks and all its memory maps; this process has
neither, so a fork costs half a millisecond.  It must stay small: every module it imports makes each fork
dearer, most of all those with work to do after one (``threading``, ``random``).

Protocol, on two sockets of the parent:

* ``orders`` (stream): frames of four bytes length, big endian, and that much JSON:
  ``["start", key, launch]``, ``["stop", key, now]``.  Its end means that the parent is gone or done: all
  launches are stopped.
* ``news`` (packets): ``["began", key, pid]``, ``["ended", key, outcome]``; the latter is sent by the
  supervisor of the launch itself.

A start takes a supervisor that waits, if there is one (:mod:`.spare`), else it forks one.
It is a child subreaper: what a supervisor that was killed left behind becomes its child and is ended.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from dodas.containers.engines import engine, syscalls
from dodas.containers.engines.mounts import unmount_below
from dodas.containers.launch import Launch, Outcome
from dodas.containers.removal import remove_tree
from dodas.worker import strays, supervisor
from dodas.worker.spare import Spares
from dodas.worker.watch import WATCHED

_REPORTED = 0
_LONGEST_FAULT = 2000


class Server:
    """The state of the fork server: its sockets, and the launches that run."""

    def __init__(self, orders: socket.socket, news: socket.socket, scratch: str) -> None:
        self.orders = orders
        self.news = news
        self.scratch = scratch
        self.running: dict[int, str] = {}  # supervisor's pid -> key
        self.spares = Spares(self._fork, self._ended, scratch)
        self.buffer = bytearray()
        self.count = 0
        self.closing = False

    def serve(self) -> None:
        """Take orders until there can be no more and everything has ended."""
        syscalls.prctl(syscalls.PR_SET_CHILD_SUBREAPER, 1)
        signal.pthread_sigmask(signal.SIG_BLOCK, WATCHED)
        wake = syscalls.signal_descriptor(signal.SIGCHLD)
        poll = select.poll()
        poll.register(self.orders, select.POLLIN)
        poll.register(wake, select.POLLIN)
        while not self.closing or self.running:
            self._collect()
            if self.closing and not self.running:
                break
            if self.spares.wanting() and not poll.poll(0):
                self.spares.make()
            for descriptor, _ in poll.poll():
                if descriptor == wake:
                    os.read(wake, 4096)
                elif not self._receive():
                    poll.unregister(self.orders)
        strays.end_all()

    def _receive(self) -> bool:
        received = self.orders.recv(1 << 16)
        if not received:
            self.closing = True
            self.spares.close()
            for pid in self.running:
                _signal(pid, signal.SIGTERM)
            return False
        self.buffer += received
        for order in _frames(self.buffer):
            self._obey(order)
        return True

    def _obey(self, order: list[Any]) -> None:
        self._let_rest()
        if order[0] == "start":
            self._plan(order[1], order[2])
        else:
            number = signal.SIGUSR2 if order[2] else signal.SIGTERM
            for pid, key in self.running.items():
                if key == order[1]:
                    self.spares.forget(pid)
                    _signal(pid, number)

    def _plan(self, key: str, plain: dict[str, Any]) -> None:
        self.count += 1
        engine(plain["engine"])  # imported once, here, and not in each child
        self._start(key, Launch.from_plain({**plain, "scratch": os.path.join(self.scratch, str(self.count))}))

    def _start(self, key: str, launch: Launch) -> None:
        try:
            pid = self.spares.start(key, launch) or self._fork(lambda parent: self._run(key, launch, parent))
        except OSError as error:
            self._ended(key, Outcome(fault=f"cannot start a process: {error.strerror}"))
            return
        self.running[pid] = key
        self._tell("began", key, pid)

    def _run(self, key: str, launch: Launch, parent: int) -> None:
        supervisor.settle()
        supervisor.supervise(launch, (None, None, None), parent, lambda outcome: self._ended(key, outcome))

    def _fork(self, work: Callable[[int], None]) -> int:
        """Return the process id of a child that does its ``work``, told this process's id, and ends."""
        parent = os.getpid()
        pid = os.fork()
        if pid:
            return pid
        try:
            self.orders.close()
            self.spares.close()
            work(parent)
            os._exit(_REPORTED)
        except BaseException as error:  # a forked child must never return
            with suppress(Exception):
                sys.stderr.write(f"dodas worker: {type(error).__name__}: {error}\n")
        os._exit(1)

    def _let_rest(self) -> None:
        """Forget the launches of supervisors that wait for another."""
        for pid in self.spares.rested():
            self.running.pop(pid, None)

    def _collect(self) -> None:
        """Collect what has ended."""
        bad: list[tuple[int, int]] = []
        with suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                if ended[1] == _REPORTED:
                    self.running.pop(ended[0], None)
                    self.spares.forget(ended[0])
                else:
                    bad.append(ended)
        if bad:
            self._repair(bad)

    def _repair(self, bad: list[tuple[int, int]]) -> None:
        """See to what ended otherwise than a supervisor does that has told how its launch ended."""
        self._let_rest()
        keys = [self.running.pop(pid, None) for pid, _ in bad]
        strays.end_all(spared={*self.running, *self.spares.pids()})
        self._sweep()
        for (pid, status), key in zip(bad, keys):  # noqa: B905 - nodes may have 3.9
            launch = self.spares.untaken(pid)
            if key is not None and launch is not None:
                self._start(key, launch)
            elif key is not None:
                self._ended(key, Outcome(fault=_lost(status), lost=True))

    def _sweep(self) -> None:
        """Remove what killed supervisors could not; only when nobody else uses the directory."""
        if not self.running:
            self.spares.close_idle()  # they have made directories ahead
            unmount_below(self.scratch)
            for entry in os.scandir(self.scratch):
                if entry.is_dir(follow_symlinks=False):
                    remove_tree(entry.path)

    def _ended(self, key: str, outcome: Outcome) -> None:
        self._tell("ended", key, outcome.__dict__)

    def _tell(self, what: str, key: str, value: Any) -> None:
        if isinstance(value, dict):
            value["fault"] = value["fault"][:_LONGEST_FAULT]
        with suppress(BrokenPipeError, ConnectionResetError):
            self.news.send(json.dumps([what, key, value]).encode())


def main() -> None:
    """Serve on the descriptors named in the arguments: ``orders news scratch lock``."""
    orders, news, scratch, lock = sys.argv[1:5]
    serve_on(int(orders), int(news), scratch, int(lock))


def serve_on(orders: int, news: int, scratch: str, lock: int) -> None:
    """Be the fork server until there is nothing more to do.

    Args:
        orders: Descriptor of the server's end of the socket for orders.
        news: Likewise, for news.
        scratch: Directory for the private places of launches; removed in the end.
        lock: Descriptor that holds its lock.
    """
    os.set_inheritable(lock, False)  # held by being open, here and in every supervisor
    server = Server(socket.socket(fileno=orders), socket.socket(fileno=news), scratch)
    for held in (server.orders, server.news):
        held.set_inheritable(False)
    gc.collect()
    gc.freeze()  # a collection in a child would copy every page
    gc.disable()
    server.serve()
    unmount_below(scratch)  # of supervisors that were killed while others ran
    remove_tree(scratch)


def _frames(buffer: bytearray) -> Iterator[list[Any]]:
    """Take complete frames off the front of ``buffer``."""
    while len(buffer) >= 4:
        size = int.from_bytes(buffer[:4], "big")
        if len(buffer) < 4 + size:
            return
        frame = bytes(buffer[4 : 4 + size])
        del buffer[: 4 + size]
        yield json.loads(frame)


def _signal(pid: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def _lost(status: int) -> str:
    code = os.waitstatus_to_exitcode(status)
    how = f"was killed by signal {-code}" if code < 0 else f"failed with status {code}"
    return f"the supervisor of this launch {how}"


if __name__ == "__main__":
    main()
