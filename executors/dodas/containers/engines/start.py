"""The last moments before a command: what every engine does in the process that becomes it."""

from __future__ import annotations

import errno
import os
import select
import signal
from typing import NoReturn

from dodas.containers.engines import syscalls
from dodas.containers.launch import LaunchFault

_DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_NOT_FOUND, _NOT_EXECUTABLE = 127, 126

_report: int | None = None


def report_to(descriptor: int) -> None:
    """Set the descriptor on which the engine's process tells its supervisor more than an exit status."""
    global _report  # noqa: PLW0603 - one per forked process
    _report = descriptor


def live_with(descriptor: int) -> None:
    """Die when the supervisor does, which holds the other end of the pipe ``descriptor``.

    Raises:
        LaunchFault: It is gone already, so that no signal for its death will come.
    """
    syscalls.prctl(syscalls.PR_SET_PDEATHSIG, signal.SIGKILL)
    poll = select.poll()
    poll.register(descriptor, select.POLLHUP)
    if poll.poll(0):
        raise LaunchFault("the supervisor of this launch died")


def tell_signal(number: int) -> None:
    """Say that the command died by a signal, which 128 + n alone leaves in doubt."""
    if _report is not None:
        os.write(_report, b"signal %d" % number)


def tell_fault(problem: str) -> None:
    """Say that the command was never reached."""
    if _report is not None:
        os.write(_report, b"fault " + problem.encode(errors="surrogateescape")[:2000])


def reset_signals() -> None:
    """Give the command the signal dispositions that a shell would give it.

    Python ignores SIGPIPE and handles SIGINT; an ignored signal survives ``exec``.
    """
    for number in (
        signal.SIGINT,
        signal.SIGPIPE,
        signal.SIGTERM,
        signal.SIGUSR1,
        signal.SIGXFSZ,
        signal.SIGCHLD,
        signal.SIGHUP,
        signal.SIGQUIT,
    ):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def execute(argv: tuple[str, ...], env: tuple[tuple[str, str], ...]) -> NoReturn:
    """Become ``argv``, looked up in the PATH of ``env``; or exit as a shell would.

    Exit status 127 when there is no such command, 126 when it cannot be executed; one line on standard
    error says which.
    """
    words = [os.fsencode(word) for word in argv]
    environment = {os.fsencode(name): os.fsencode(value) for name, value in env}
    problem: OSError | None = None
    for candidate in _candidates(words[0], environment):
        try:
            os.execve(candidate, words, environment)
        except OSError as error:
            if error.errno == errno.ENOEXEC:
                problem = _execute_script(candidate, words, environment)
            elif os.path.exists(candidate):  # a directory of PATH that cannot be entered is no candidate
                problem = error
    _give_up(words[0], problem)


def _candidates(command: bytes, environment: dict[bytes, bytes]) -> list[bytes]:
    if b"/" in command:
        return [command]
    path = environment.get(b"PATH", _DEFAULT_PATH.encode())
    return [os.path.join(folder or b".", command) for folder in path.split(b":")]


def _execute_script(script: bytes, words: list[bytes], environment: dict[bytes, bytes]) -> OSError:
    """Run a script without ``#!`` by sh, as execvp(3) does."""
    try:
        os.execve(b"/bin/sh", [b"sh", script, *words[1:]], environment)
    except OSError as error:
        return error


def _give_up(command: bytes, problem: OSError | None) -> NoReturn:
    if problem is None:
        reason = b"no such command"
    elif problem.errno == errno.ENOENT:
        reason = b"its interpreter or loader is not there"
    else:
        reason = os.fsencode(problem.strerror or "")
    os.write(2, b"dodas: " + command + b": " + reason + b"\n")
    os._exit(_NOT_FOUND if problem is None or problem.errno == errno.ENOENT else _NOT_EXECUTABLE)
