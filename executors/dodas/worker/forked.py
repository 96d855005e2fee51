"""A fork server that is forked from this very process: at hand in a millisecond, but as large as its parent.

For programs that live as long as a few steps; others start theirs anew (:mod:`dodas.worker.client`).
"""

from __future__ import annotations

import os
import signal
from typing import NoReturn

from dodas.worker import server

_HANDLED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class ForkedServer:
    """The process; to be made while this one has a single thread.

    Attributes:
        pid: Its process id.
        returncode: Its exit status, once :meth:`poll` or :meth:`wait` has seen its end.
    """

    def __init__(self, given: tuple[int, int, int], scratch: str) -> None:
        self.returncode: int | None = None
        self.pid = os.fork()
        if self.pid == 0:
            _become(given, scratch)

    def poll(self) -> int | None:
        """Return the exit status if it has ended."""
        return self._waited(os.WNOHANG)

    def wait(self) -> int | None:
        """Wait for the end and return the exit status."""
        return self._waited(0)

    def _waited(self, how: int) -> int | None:
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, how)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode


def _become(given: tuple[int, int, int], scratch: str) -> NoReturn:
    status = 1
    try:
        os.setsid()
        for number in _HANDLED:
            signal.signal(number, signal.SIG_DFL)
        held = sorted(given)
        for low, high in zip([2, *held], [*held, os.sysconf("SC_OPEN_MAX")]):  # noqa: B905 - nodes may have 3.9
            os.closerange(low + 1, high)
        orders, news, lock = given
        server.serve_on(orders, news, scratch, lock)
        status = 0
    finally:
        os._exit(status)
