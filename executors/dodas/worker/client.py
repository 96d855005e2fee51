"""Starts launches on this machine through a fork server of its own."""

from __future__ import annotations

import json
import os
import select
import socket
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from typing import Union

from dodas.containers.launch import Launch, Outcome
from dodas.errors import BackendError
from dodas.values import dataclass
from dodas.worker.flag import Flag
from dodas.worker.program import Serve, start_server
from dodas.worker.scratch import open_scratch

_PACKET = 1 << 16


@dataclass(frozen=True, slots=True)
class Began:
    """The launch ``key`` is under way; ``pid`` is its supervisor, an ancestor of all its processes.

    Comes again with another one if that was killed before it had the launch.
    """

    key: str
    pid: int


@dataclass(frozen=True, slots=True)
class Ended:
    """The launch ``key`` is over and nothing of it runs any more; its scratch files are being removed."""

    key: str
    outcome: Outcome


News = Union[Began, Ended]  # noqa: UP007 - evaluated, and nodes may have 3.9


class Worker:
    """A fork server and what runs under it.

    To be used from one thread.  If this process dies, by whatever signal, all launches are stopped.

    Args:
        scratch: Directory below which launches get their private places; default
            :func:`dodas.paths.scratch_dir`.
        serve: Starts the fork server, given three descriptors and the directory of its launches.
    """

    def __init__(self, scratch: str | None = None, serve: Serve | None = None) -> None:
        self.scratch, lock = open_scratch(scratch)
        self._orders, orders = socket.socketpair()
        self._news, news = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._running: set[str] = set()
        self._early: deque[News] = deque()  # heard while an order waited to be taken
        self._lost: deque[News] = deque()
        self._dead = False
        given = (orders.fileno(), news.fileno(), lock)
        with orders, news:
            self._process = (serve or start_server)(given, self.scratch)
        os.close(lock)
        self._news.setblocking(False)
        self._orders.setblocking(False)
        self._heard = Flag()
        self._epoll = select.epoll()
        self._epoll.register(self._orders, select.EPOLLIN | select.EPOLLRDHUP)
        self._epoll.register(self._news, select.EPOLLIN)
        self._epoll.register(self._heard, select.EPOLLIN)

    def start(self, key: str, launch: Launch) -> None:
        """Start ``launch``; its news will carry ``key``, which must be unique among those that run.

        Raises:
            BackendError: The fork server is dead; see :attr:`alive`.
        """
        self._running.add(key)
        try:
            self._order(["start", key, launch.plain()])
        except BackendError:
            self._running.discard(key)
            raise

    def stop(self, key: str, *, now: bool = False) -> None:
        """Ask the launch ``key`` to end: SIGTERM, and SIGKILL after its grace, or SIGKILL at once if ``now``.

        May be repeated; one that has ended or is unknown is no error.
        """
        with suppress(BackendError):
            self._order(["stop", key, now])

    @property
    def alive(self) -> bool:
        """Whether the fork server still works; once it does not, make a new :class:`Worker`."""
        return not self._dead

    @property
    def pid(self) -> int:
        """Process id of the fork server."""
        return self._process.pid

    def fileno(self) -> int:
        """Return a descriptor that is readable when :meth:`told` has something to say."""
        return self._epoll.fileno()

    def told(self, timeout: float | None = 0.0) -> list[News]:
        """Return what happened since the last call, waiting up to ``timeout`` seconds for a first word.

        If the fork server dies, the launches that were under way end with a fault.
        """
        news = self._take_early()
        news += self._arrived()
        if not news and not self._lost and timeout != 0.0:
            self._epoll.poll(-1 if timeout is None else timeout)
            news += self._arrived()
        while self._lost:
            news.append(self._lost.popleft())
        return news

    def close(self) -> None:
        """Stop everything politely and wait for the end; nothing is left.  May be repeated."""
        if self._process.returncode is None:
            for key in tuple(self._running):
                self.stop(key)
            with suppress(OSError):
                self._orders.shutdown(socket.SHUT_WR)
            self._drain()
            self._process.wait()
        self._dead = True
        for held in (self._epoll, self._orders, self._news):
            held.close()
        self._heard.close()

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _drain(self) -> None:
        """Read news nobody waits for, so that no supervisor is stuck telling them."""
        self._news.setblocking(True)
        with suppress(OSError):
            while self._news.recv(_PACKET):
                pass

    def _order(self, order: list[object]) -> None:
        frame = json.dumps(order).encode()
        unsent = memoryview(len(frame).to_bytes(4, "big") + frame)
        try:
            while unsent:
                unsent = unsent[self._send(unsent) :]
        except OSError as error:
            raise BackendError(
                "the process that starts steps on this machine has died",
                hint="was it killed, or is the machine out of memory? see dmesg",
            ) from error

    def _send(self, data: memoryview) -> int:
        """Send what the server's queue has room for; hear its news, lest each waits for the other."""
        try:
            return self._orders.send(data)
        except BlockingIOError:
            self._early += self._arrived()
            if self._early:
                self._heard.set_up()
            waiting = select.poll()
            waiting.register(self._orders, select.POLLOUT)
            waiting.register(self._news, select.POLLIN)
            waiting.poll()
            return 0

    def _take_early(self) -> list[News]:
        news = list(self._early)
        if news:
            self._early.clear()
            self._heard.take_down()
        return news

    def _arrived(self) -> Iterator[News]:
        while not self._dead:
            try:
                packet = self._news.recv(_PACKET)
            except BlockingIOError:
                break
            if not packet:
                break
            news = self._read(packet)
            if news is not None:
                yield news
        if not self._dead and self._process.poll() is not None:
            self._give_up()

    def _read(self, packet: bytes) -> News | None:
        what, key, value = json.loads(packet)
        if what == "began":
            return Began(key, value)
        if key not in self._running:
            return None  # its supervisor was killed when all but cleaning up was done
        self._running.discard(key)
        return Ended(key, Outcome(**value))

    def _give_up(self) -> None:
        self._dead = True
        fault = "the process that started this step died"
        self._lost += [Ended(key, Outcome(fault=fault, lost=True)) for key in sorted(self._running)]
        self._running.clear()
