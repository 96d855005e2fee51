"""The command's process under watch: its end is awaited, signals and limits are applied to it."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress

from dodas.containers.engines.base import Engine
from dodas.containers.launch import Launch
from dodas.worker import strays
from dodas.worker.child import Child, SpawnedChild
from dodas.worker.reaper import Reaper

_PASSED_ON = (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGWINCH)
WATCHED = frozenset((signal.SIGCHLD, signal.SIGTERM, signal.SIGUSR2, *_PASSED_ON))


class Watch:
    """The command's process, from its start to its end."""

    def __init__(
        self, launch: Launch, how: Engine, child: Child | SpawnedChild, began: float, reaper: Reaper
    ) -> None:
        self.launch = launch
        self.how = how
        self.deadline = None if launch.walltime is None else began + launch.walltime
        self.kill_at: float | None = None
        self.timed_out = False
        self.stopped = False
        self.status = 0
        self.fault = ""
        self.signal: int | None = None
        self.exit_code: int | None = None
        self.told: int | None = None  # the exit code, by who knows better than the status
        self.report = child.report
        self.child = child.pid
        self._reaper = reaper

    def until_ended(self) -> None:
        """Wait for the command, doing what signals and limits ask for meanwhile."""
        while not self._ended():
            self._obey(self._next_signal())
        self._read_report()
        if not self.fault:
            code = 128 + self.signal if self.signal else os.waitstatus_to_exitcode(self.status)
            self.exit_code = self.how.exit_code(self.launch, code) if self.told is None else self.told

    def was_killed(self) -> bool:
        """Return whether it was killed, and not from here."""
        return self.signal == signal.SIGKILL and not self.stopped and not self.timed_out

    def _ended(self) -> bool:
        while (ended := self._reaper.wait(-1, os.WNOHANG))[0]:
            if ended[0] == self.child:
                self.status = ended[1]
                return True
        return False

    def _next_signal(self) -> int:
        limits = [limit for limit in (self.deadline, self.kill_at) if limit is not None]
        if not limits:
            return signal.sigwait(WATCHED)
        arrived = signal.sigtimedwait(WATCHED, max(0.0, min(limits) - time.monotonic()))
        return arrived.si_signo if arrived else 0

    def _obey(self, number: int) -> None:
        now = time.monotonic()
        if self.deadline is not None and now >= self.deadline:
            self.timed_out, self.deadline = True, None
            self._stop(now)
        elif self.kill_at is not None and now >= self.kill_at:
            self.kill_at = None
            self._kill()
        elif number == signal.SIGTERM:
            self.stopped = True
            self._stop(now)
        elif number == signal.SIGUSR2:
            self.stopped = True
            self._kill()
        elif number in _PASSED_ON:
            self._signal(number)

    def _stop(self, now: float) -> None:
        if self.kill_at is None:
            self.kill_at = now + self.launch.grace
            self._signal(signal.SIGTERM)

    def _signal(self, number: int) -> None:
        try:
            os.killpg(self.child, number)
        except ProcessLookupError:
            # Not yet the leader of a group: there is no command to be polite to.
            if number == signal.SIGTERM:
                self._kill()

    def _kill(self) -> None:
        if self.how.own_pids:
            with suppress(ProcessLookupError):
                os.kill(self.child, signal.SIGKILL)
            return
        for pid in strays.descendants(os.getpid()):
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)

    def _read_report(self) -> None:
        os.set_blocking(self.report, False)  # what the engine's process started may still hold the other end
        try:
            report = os.read(self.report, 4096)
        except BlockingIOError:
            report = b""
        os.close(self.report)
        lines, is_fault, why = report.partition(b"fault ")
        word, _, number = lines.strip().rpartition(b"\n")[2].partition(b" ")
        if is_fault:
            self.fault = why.decode(errors="surrogateescape")
        elif word == b"exit":
            self.told = int(number)
        elif word == b"signal":
            self.signal = int(number)
        elif os.WIFSIGNALED(self.status):
            self.signal = os.WTERMSIG(self.status)
