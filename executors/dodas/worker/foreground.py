"""Runs one launch on this process's own standard streams, for ``dodas run``."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterable
from contextlib import suppress
from types import FrameType
from typing import Any

from dodas.containers.engines import syscalls
from dodas.containers.engines.mounts import unmount_below
from dodas.containers.launch import Launch, Outcome
from dodas.containers.removal import remove_tree
from dodas.worker import strays, supervisor
from dodas.worker.scratch import open_scratch
from dodas.worker.watch import WATCHED

_FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGWINCH)


class Foreground:
    """A launch under way, with a supervisor forked from this process, which must have one thread only.

    Args:
        launch: What to run; its scratch directory is made here.
        stdio: Descriptors that become the command's standard streams.
        scratch: As for :class:`dodas.worker.client.Worker`.
    """

    def __init__(
        self, launch: Launch, stdio: tuple[int, int, int] = (0, 1, 2), scratch: str | None = None
    ) -> None:
        self._scratch, self._lock = open_scratch(scratch)
        plain = {**launch.plain(), "scratch": os.path.join(self._scratch, "1")}
        syscalls.prctl(syscalls.PR_SET_CHILD_SUBREAPER, 1)
        before = signal.pthread_sigmask(signal.SIG_BLOCK, WATCHED)
        self._reader, writer = os.pipe()
        parent = os.getpid()
        self.pid = os.fork()
        if self.pid == 0:
            status = 1
            with suppress(BaseException):
                supervisor.settle()
                supervisor.supervise(
                    Launch.from_plain(plain),
                    stdio,
                    parent,
                    lambda outcome: os.write(writer, json.dumps(outcome.__dict__).encode()),
                )
                status = 0
            os._exit(status)
        os.close(writer)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def signal(self, number: int) -> None:
        """Pass a signal on; ``SIGTERM`` stops the command, with ``SIGKILL`` after the launch's grace."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def fileno(self) -> int:
        """Return a descriptor that is readable once :meth:`wait` will not block for long."""
        return self._reader

    def wait(self) -> Outcome:
        """Wait for the end and return how it was; nothing of the launch is left then."""
        text = b""
        while part := os.read(self._reader, 1 << 16):
            text += part
        os.waitpid(self.pid, 0)
        os.close(self._reader)
        strays.end_all()
        unmount_below(self._scratch)
        remove_tree(self._scratch)
        os.close(self._lock)
        return (
            Outcome(**json.loads(text))
            if text
            else Outcome(fault="the supervisor of this launch was killed", lost=True)
        )


class Forwarding:
    """Passes signals of this process on to a command; those that come before there is one are kept for it.

    Args:
        numbers: The signals.

    Attributes:
        last: The last of them, ``SIGWINCH`` aside; 0 for none.
    """

    def __init__(self, numbers: Iterable[int]) -> None:
        self.last = 0
        self._numbers = tuple(numbers)
        self._early: list[int] = []
        self._command: Foreground | None = None
        self._before: dict[int, Any] = {}

    def begin(self) -> None:
        """Take the signals from now on, until the context is left if there is one."""
        self._before = {number: signal.signal(number, self._forward) for number in self._numbers}

    def to(self, command: Foreground) -> None:
        """Give ``command`` the signals."""
        self._command = command
        while self._early:
            command.signal(self._early.pop(0))

    def __enter__(self) -> Forwarding:
        self.begin()
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _forward(self, number: int, _frame: FrameType | None) -> None:
        if number != signal.SIGWINCH:
            self.last = number
        if self._command is None:
            self._early.append(number)
        else:
            self._command.signal(number)


def run(launch: Launch, stdio: tuple[int, int, int] = (0, 1, 2), scratch: str | None = None) -> Outcome:
    """Run ``launch`` on ``stdio`` to its end, passing on the signals that this process gets meanwhile."""
    with Forwarding(_FORWARDED) as forwarding:
        command = Foreground(launch, stdio, scratch)
        forwarding.to(command)
        return command.wait()
