"""The last moments before a command: what every engine does in the process that becomes it."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Callable
from typing import NoReturn, TypeVar

from dodas.containers.launch import LaunchFault

_DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_NOT_FOUND, _NOT_EXECUTABLE = 127, 126
_DISPOSITIONS = (
    signal.SIGINT,
    signal.SIGPIPE,
    signal.SIGTERM,
    signal.SIGUSR1,
    signal.SIGXFSZ,
    signal.SIGCHLD,
    signal.SIGHUP,
    signal.SIGQUIT,
)

T = TypeVar("T")
_How = Callable[[bytes, "list[bytes]", "dict[bytes, bytes]"], T]

_report: int | None = None


def report_to(descriptor: int) -> None:
    """Set the descriptor on which the engine's process tells its supervisor more than an exit status.

    What is told is ``fault WHY``, or lines: ``exit N``, ``signal N``, of which the last one counts.
    """
    global _report  # noqa: PLW0603 - one per forked process
    _report = descriptor


def reporter() -> int:
    """Return the descriptor set by :func:`report_to`, for a program that tells by itself."""
    if _report is None:
        raise LaunchFault("nobody can be told how the command ends")
    return _report


def tell_signal(number: int) -> None:
    """Say that the command died by a signal, which 128 + n alone leaves in doubt."""
    if _report is not None:
        os.write(_report, b"signal %d\n" % number)


def tell_fault(problem: str) -> None:
    """Say that the command was never reached."""
    if _report is not None:
        os.write(_report, b"fault " + problem.encode(errors="surrogateescape")[:2000])


def reset_signals() -> None:
    """Give this process the signal dispositions that a shell would give a command.

    Python ignores SIGPIPE and handles SIGINT; an ignored signal survives ``exec``.
    """
    for number in _DISPOSITIONS:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def execute(argv: tuple[str, ...], env: tuple[tuple[str, str], ...]) -> NoReturn:
    """Become ``argv``, looked up in the PATH of ``env``; or exit as a shell would.

    Exit status 127 when there is no such command, 126 when it cannot be executed; one line on standard
    error says which.
    """
    _start(argv, env, os.execve)
    os._exit(_NOT_EXECUTABLE)  # never reached


def spawn(argv: tuple[str, ...], env: tuple[tuple[str, str], ...]) -> int:
    """Start ``argv`` as a child and return its process id; or exit, as :func:`execute` does.

    The C library borrows this process's memory for the child until that is the command (vfork(2)), where a
    fork would copy every page that either touches.
    """
    return _start(argv, env, _spawn)


def _spawn(path: bytes, words: list[bytes], environment: dict[bytes, bytes]) -> int:
    return os.posix_spawn(path, words, environment, setsigmask=(), setsigdef=_DISPOSITIONS)


def _start(argv: tuple[str, ...], env: tuple[tuple[str, str], ...], how: _How[T]) -> T:
    words = [os.fsencode(word) for word in argv]
    environment = {os.fsencode(name): os.fsencode(value) for name, value in env}
    problem: OSError | None = None
    for candidate in _candidates(words[0], environment):
        try:
            return _try(candidate, words, environment, how)
        except OSError as error:
            if os.path.exists(candidate):  # a directory of PATH that cannot be entered is no candidate
                problem = error
    return _give_up(words[0], problem)


def _try(path: bytes, words: list[bytes], environment: dict[bytes, bytes], how: _How[T]) -> T:
    try:
        return how(path, words, environment)
    except OSError as error:
        if error.errno != errno.ENOEXEC:
            raise
    # A script without ``#!``, which execvp(3) gives to sh.
    return how(b"/bin/sh", [b"sh", path, *words[1:]], environment)


def _candidates(command: bytes, environment: dict[bytes, bytes]) -> list[bytes]:
    if b"/" in command:
        return [command]
    path = environment.get(b"PATH", _DEFAULT_PATH.encode())
    return [os.path.join(folder or b".", command) for folder in path.split(b":")]


def _give_up(command: bytes, problem: OSError | None) -> NoReturn:
    if problem is None:
        reason = b"no such command"
    elif problem.errno == errno.ENOENT:
        reason = b"its interpreter or loader is not there"
    else:
        reason = os.fsencode(problem.strerror or "")
    os.write(2, b"dodas: " + command + b": " + reason + b"\n")
    os._exit(_NOT_FOUND if problem is None or problem.errno == errno.ENOENT else _NOT_EXECUTABLE)
