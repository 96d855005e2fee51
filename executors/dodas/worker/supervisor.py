"""The process that looks after one launch: starts it, stops it, measures it, leaves nothing of it.

It is forked by the fork server (or by ``dodas run``) and lives as long as the command.  Signals it obeys:

* ``SIGTERM``: stop politely; after ``launch.grace`` seconds the rest is killed.  Also sent by the kernel
  when the process that forked it dies.
* ``SIGUSR2``: kill at once.
* ``SIGINT``, ``SIGHUP``, ``SIGQUIT``, ``SIGUSR1``, ``SIGWINCH``: passed on to the command.
"""

from __future__ import annotations

import fcntl
import os
import resource
import signal
import termios
import time
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

from dodas.containers.engines import engine, start, syscalls
from dodas.containers.engines.base import Engine
from dodas.containers.launch import Launch, LaunchFault, Outcome
from dodas.containers.removal import remove_tree
from dodas.worker import strays

_FAULT_STATUS = 125
_PASSED_ON = (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGWINCH)
WATCHED = frozenset((signal.SIGCHLD, signal.SIGTERM, signal.SIGUSR2, *_PASSED_ON))


def supervise(
    launch: Launch,
    stdio: tuple[int | None, int | None, int | None],
    parent: int,
    tell: Callable[[Outcome], object],
) -> None:
    """Run ``launch`` to its end, in a freshly forked process in which :data:`WATCHED` is blocked.

    Args:
        launch: What to run; its scratch directory is made here, and removed.
        stdio: Descriptors for standard streams that the launch names no path for.
        parent: Process id of the caller's parent, whose death stops the launch.
        tell: Is told how it ended, once every process that it started is gone; its files go after that, so
            that nobody waits for them.
    """
    began = time.monotonic()
    how = engine(launch.engine)
    fault = ""
    watch = None
    try:
        _settle(parent)
        os.mkdir(launch.scratch, 0o700)
        streams = _open_streams(launch, stdio)
        how.confine(launch)
        # Entering a user namespace can clear it (prctl(2)).
        syscalls.prctl(syscalls.PR_SET_PDEATHSIG, signal.SIGTERM)
        watch = _Watch(launch, how, streams, began)
        watch.until_ended()
        fault = watch.fault
    except (LaunchFault, OSError) as error:
        fault = str(error)
    strays.end_all()
    tell(_outcome(watch, fault, began))
    how.clean(launch)
    remove_tree(launch.scratch)


class _Watch:
    """The command's process, from its start to its end."""

    def __init__(self, launch: Launch, how: Engine, streams: tuple[int, int, int], began: float) -> None:
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
        self.report, writer = os.pipe()
        alive, self.alive = os.pipe()
        self.child = os.fork()
        if self.child == 0:
            os.close(self.alive)
            _start(launch, how, streams, writer, alive)
        for descriptor in {*streams, writer, alive}:
            os.close(descriptor)

    def until_ended(self) -> None:
        """Wait for the command, doing what signals and limits ask for meanwhile."""
        while not self._ended():
            self._obey(self._next_signal())
        self._read_report()
        if not self.fault:
            code = 128 + self.signal if self.signal else os.waitstatus_to_exitcode(self.status)
            self.exit_code = self.how.exit_code(self.launch, code)

    def _ended(self) -> bool:
        pid, status = os.waitpid(-1, os.WNOHANG)
        while pid:
            if pid == self.child:
                self.status = status
                return True
            pid, status = os.waitpid(-1, os.WNOHANG)
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
        word, _, rest = os.read(self.report, 4096).partition(b" ")
        if word == b"fault":
            self.fault = rest.decode(errors="surrogateescape")
        elif word == b"signal":
            self.signal = int(rest)
        elif os.WIFSIGNALED(self.status):
            self.signal = os.WTERMSIG(self.status)


def _settle(parent: int) -> None:
    os.setsid()
    syscalls.prctl(syscalls.PR_SET_PDEATHSIG, signal.SIGTERM)
    syscalls.prctl(syscalls.PR_SET_CHILD_SUBREAPER, 1)
    if os.getppid() != parent:
        raise LaunchFault("the process that asked for this died meanwhile")


def _open_streams(launch: Launch, stdio: tuple[int | None, int | None, int | None]) -> tuple[int, int, int]:
    try:
        given_in, given_out, given_err = stdio
        read = (
            _opened(launch.stdin or os.devnull, os.O_RDONLY) if launch.stdin or given_in is None else given_in
        )
        out = _written(launch.stdout, given_out)
        err = out if launch.stderr and launch.stderr == launch.stdout else _written(launch.stderr, given_err)
    except OSError as error:
        raise LaunchFault(f"cannot open {error.filename}: {error.strerror}") from error
    return read, out, err


def _written(path: str | None, given: int | None) -> int:
    if path is None and given is not None:
        return given
    return _opened(path or os.devnull, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)


def _opened(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, 0o666)


def _start(launch: Launch, how: Engine, streams: tuple[int, int, int], writer: int, alive: int) -> NoReturn:
    """Become the command; in the child."""
    start.report_to(writer)
    try:
        os.setsid()
        start.live_with(alive)
        _take_streams(streams)
        if launch.tty:
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        how.enter(launch)
    except LaunchFault as error:
        start.tell_fault(str(error))
    except BaseException as error:  # a forked child must never return
        start.tell_fault(f"{type(error).__name__}: {error}")
    os._exit(_FAULT_STATUS)


def _take_streams(streams: tuple[int, int, int]) -> None:
    # All are moved out of the way first: one may itself be 0, 1 or 2.
    moved = [fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 3) for descriptor in streams]
    for number, descriptor in enumerate(moved):
        os.dup2(descriptor, number)
        os.close(descriptor)


def _outcome(watch: _Watch | None, fault: str, began: float) -> Outcome:
    own = resource.getrusage(resource.RUSAGE_CHILDREN)
    read, written = _bytes_moved()
    return Outcome(
        exit_code=watch.exit_code if watch is not None else None,
        signal=watch.signal if watch is not None and not fault else None,
        fault=fault,
        timed_out=watch is not None and watch.timed_out,
        stopped=watch is not None and watch.stopped,
        wall=time.monotonic() - began,
        cpu=own.ru_utime + own.ru_stime,
        peak_memory=own.ru_maxrss * 1024,
        read=read,
        written=written,
    )


def _bytes_moved() -> tuple[int, int]:
    """Return bytes read and written by this process and all children it has collected (proc_pid_io(5))."""
    try:
        with open("/proc/self/io", "rb", buffering=0) as file:
            fields = dict(line.split(b": ") for line in file.read().splitlines())
    except OSError:
        return 0, 0
    return int(fields[b"rchar"]), int(fields[b"wchar"])
