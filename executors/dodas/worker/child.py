"""The process that becomes a command, forked when its launch is known, or ahead and told later."""

from __future__ import annotations

import fcntl
import marshal
import os
import select
import signal
import socket
import struct
import termios
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple, NoReturn

from dodas.containers.engines import start, syscalls, userns
from dodas.containers.engines.base import Engine, Spawner
from dodas.containers.launch import Launch, LaunchFault

Streams = tuple[int, int, int]
Told = tuple[Launch, Streams]

_FAULT_STATUS = 125
_DESCRIPTORS = struct.Struct("3i")
_PART = 1 << 16


class Child:
    """A child of this process, which becomes a command.

    Args:
        how: The engine of its launch.
        network: Whether its launch may use the network.
        hear: Returns its launch and its standard streams; called there.

    Attributes:
        pid: Its process id.  It leads a session of its own.
        report: Descriptor on which it tells more than an exit status (:mod:`.engines.start`).

    Raises:
        LaunchFault: The kernel does not allow its namespaces.
    """

    def __init__(self, how: Engine, network: bool, hear: Callable[[], Told]) -> None:
        self.report, report = os.pipe()
        apart = how.isolates_network and not network
        ids = os.geteuid(), os.getegid()
        try:
            self.pid = syscalls.fork(how.namespaces | (syscalls.CLONE_NEWNET if apart else 0))
        except OSError as error:
            raise LaunchFault(f"no process in namespaces of its own: {error.strerror}") from error
        if self.pid == 0:
            os.close(self.report)
            _become(how, ids, report, hear)
        os.close(report)


class WaitingChild(Child):
    """One that is forked before its launch is known, and has nothing of any launch until then.

    Args:
        how: The engine of its launch.
        network: Whether its launch may use the network.
        unneeded: A socket of this process that the child must not hold.
    """

    def __init__(self, how: Engine, network: bool, unneeded: socket.socket) -> None:
        self._words, words = socket.socketpair()
        self._told = False

        def hear() -> Told:
            self._words.close()
            unneeded.close()
            return _hear(words)

        super().__init__(how, network, hear)
        words.close()

    def tell(self, launch: Launch, streams: Streams) -> None:
        """Let it become the command of ``launch``, with these standard streams.

        If it was killed meanwhile, its end shows that, and :meth:`has_heard`.
        """
        packed = memoryview(marshal.dumps(launch.plain()))
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, _DESCRIPTORS.pack(*streams))
        with suppress(BrokenPipeError, ConnectionResetError):
            sent = self._words.sendmsg([packed], [rights])
            self._words.sendall(packed[sent:])
            self._words.shutdown(socket.SHUT_WR)
            self._told = True

    def has_heard(self) -> bool:
        """Return, of one that has ended, whether it had taken its launch.

        A socket that is closed with something unread in it resets its peer (unix(7)).
        """
        try:
            return self._told and not self._words.recv(1)
        except ConnectionResetError:
            return False

    def end(self) -> None:
        """Kill and collect it, instead."""
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        self.close()
        os.close(self.report)

    def close(self) -> None:
        """Let go of what it was told by."""
        self._words.close()


class SpawnedChild(NamedTuple):
    """One that an engine started without a fork; its attributes are those of :class:`Child`."""

    pid: int
    report: int


def spawned(how: Spawner, launch: Launch, streams: Streams) -> SpawnedChild | None:
    """Return the child that ``how`` started, nothing if it cannot.

    Raises:
        LaunchFault: Something of the launch is missing or impossible.
        OSError: The kernel refused.
    """
    reader, report = os.pipe()
    pid = None
    try:
        pid = how.spawn(launch, streams, report)
    finally:
        os.close(report)
        if pid is None:
            os.close(reader)
    return None if pid is None else SpawnedChild(pid, reader)


def _hear(words: socket.socket) -> Told:
    """Wait for a launch, which ends where the socket does, and its standard streams; or exit without."""
    flags = socket.MSG_CMSG_CLOEXEC
    packed, rights, _, _ = words.recvmsg(_PART, socket.CMSG_LEN(_DESCRIPTORS.size), flags)
    while part := words.recv(_PART):
        packed += part
    words.close()
    if not rights:
        os._exit(0)
    return Launch(**marshal.loads(packed)), _DESCRIPTORS.unpack(rights[0][2])  # noqa: S302 - our parent's


def _become(how: Engine, ids: tuple[int, int], report: int, hear: Callable[[], Told]) -> NoReturn:
    """Become the command; in the child."""
    start.report_to(report)
    try:
        os.setsid()
        _live_with_parent(report)
        if how.namespaces & syscalls.CLONE_NEWUSER:
            userns.be_root(*ids)
        launch, streams = hear()
        _take_streams(streams)
        if launch.tty:
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        how.enter(launch)
    except LaunchFault as error:
        start.tell_fault(str(error))
    except BaseException as error:  # a forked child must never return
        start.tell_fault(f"{type(error).__name__}: {error}")
    os._exit(_FAULT_STATUS)


def _live_with_parent(report: int) -> None:
    """Die when the supervisor does, which holds the other end of the pipe ``report``."""
    syscalls.prctl(syscalls.PR_SET_PDEATHSIG, signal.SIGKILL)
    poll = select.poll()
    poll.register(report, 0)
    if poll.poll(0):  # it is gone already, so that no signal for its death will come
        os._exit(_FAULT_STATUS)


def _take_streams(streams: Streams) -> None:
    # All are moved out of the way first: one may itself be 0, 1 or 2.
    moved = [fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 3) for descriptor in streams]
    for descriptor in set(streams):
        os.close(descriptor)
    for number, descriptor in enumerate(moved):
        os.dup2(descriptor, number)
        os.close(descriptor)
