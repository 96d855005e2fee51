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
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, NoReturn

from dodas.containers.engines import engine, syscalls
from dodas.containers.engines.mounts import unmount_below
from dodas.containers.launch import Launch, Outcome
from dodas.containers.removal import remove_tree
from dodas.worker import strays, supervisor

_REPORTED = 0
_LONGEST_FAULT = 2000


class Server:
    """The state of the fork server: its sockets, and the launches that run."""

    def __init__(self, orders: socket.socket, news: socket.socket, scratch: str) -> None:
        self.orders = orders
        self.news = news
        self.scratch = scratch
        self.running: dict[int, str] = {}  # supervisor's pid -> key
        self.buffer = bytearray()
        self.count = 0
        self.closing = False

    def serve(self) -> None:
        """Take orders until there can be no more and everything has ended."""
        syscalls.prctl(syscalls.PR_SET_CHILD_SUBREAPER, 1)
        signal.pthread_sigmask(signal.SIG_BLOCK, supervisor.WATCHED)
        wake = _signal_pipe()
        poll = select.poll()
        poll.register(self.orders, select.POLLIN)
        poll.register(wake, select.POLLIN)
        while not self.closing or self.running:
            self._collect()
            if self.closing and not self.running:
                break
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
            for pid in self.running:
                _signal(pid, signal.SIGTERM)
            return False
        self.buffer += received
        for order in _frames(self.buffer):
            self._obey(order)
        return True

    def _obey(self, order: list[Any]) -> None:
        if order[0] == "start":
            self._start(order[1], order[2])
        else:
            number = signal.SIGUSR2 if order[2] else signal.SIGTERM
            for pid, key in self.running.items():
                if key == order[1]:
                    _signal(pid, number)

    def _start(self, key: str, plain: dict[str, Any]) -> None:
        self.count += 1
        engine(plain["engine"])  # imported once, here, and not in each child
        plain["scratch"] = os.path.join(self.scratch, str(self.count))
        parent = os.getpid()
        try:
            pid = os.fork()
        except OSError as error:
            self._tell("ended", key, Outcome(fault=f"cannot start a process: {error.strerror}").__dict__)
            return
        if pid == 0:
            self._supervise(key, plain, parent)
        self.running[pid] = key
        self._tell("began", key, pid)

    def _supervise(self, key: str, plain: dict[str, Any], parent: int) -> NoReturn:
        try:
            self.orders.close()
            signal.set_wakeup_fd(-1)
            signal.pthread_sigmask(signal.SIG_BLOCK, supervisor.WATCHED)
            supervisor.supervise(
                Launch.from_plain(plain),
                (None, None, None),
                parent,
                lambda outcome: self._tell("ended", key, outcome.__dict__),
            )
            os._exit(_REPORTED)
        except BaseException as error:  # a forked child must never return
            with suppress(Exception):
                sys.stderr.write(f"dodas worker: {type(error).__name__}: {error}\n")
        os._exit(1)

    def _collect(self) -> None:
        """Collect supervisors that ended; tell of those that could not tell themselves."""
        orphaned = False
        with suppress(ChildProcessError):
            pid, status = os.waitpid(-1, os.WNOHANG)
            while pid:
                key = self.running.pop(pid, None)
                if key is None or status != _REPORTED:
                    orphaned = True
                if key is not None and status != _REPORTED:
                    self._tell("ended", key, Outcome(fault=_lost(status), lost=True).__dict__)
                pid, status = os.waitpid(-1, os.WNOHANG)
        if orphaned:
            strays.end_all(spared=self.running)
            self._sweep()

    def _sweep(self) -> None:
        """Remove what killed supervisors could not; only when nobody else uses the directory."""
        if not self.running:
            unmount_below(self.scratch)
            for entry in os.scandir(self.scratch):
                if entry.is_dir(follow_symlinks=False):
                    remove_tree(entry.path)

    def _tell(self, what: str, key: str, value: Any) -> None:
        if isinstance(value, dict):
            value["fault"] = value["fault"][:_LONGEST_FAULT]
        with suppress(BrokenPipeError, ConnectionResetError):
            self.news.send(json.dumps([what, key, value]).encode())


def main() -> None:
    """Serve on the descriptors named in the arguments: ``orders news scratch lock``."""
    orders, news, scratch, lock = sys.argv[1:5]
    os.set_inheritable(int(lock), False)  # held by being open, here and in every supervisor
    server = Server(socket.socket(fileno=int(orders)), socket.socket(fileno=int(news)), scratch)
    for held in (server.orders, server.news):
        held.set_inheritable(False)
    gc.collect()
    gc.freeze()  # a collection in a child would copy every page
    gc.disable()
    server.serve()
    unmount_below(scratch)  # of supervisors that were killed while others ran
    remove_tree(scratch)


def _signal_pipe() -> int:
    """Return a descriptor that can be read when a child has changed state."""
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, _nothing)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGCHLD,))
    return reader


def _nothing(*_: object) -> None:
    """Handle a signal by having been woken up."""


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
