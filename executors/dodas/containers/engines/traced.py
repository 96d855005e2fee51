"""Starting PRoot around a command: its command line, and the process between it and the command.

There are two ways.  With the program that was built with PRoot (``tools/proot_init.c``), the supervisor
starts PRoot as a child, without a fork of Python.  With a PRoot from elsewhere, a forked child becomes PRoot,
and a shell of the image stands between.
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from dataclasses import dataclass
from typing import NoReturn

from dodas.containers.engines import binds, landlock, seccomp, spawning, start
from dodas.containers.launch import Launch, LaunchFault

# The traps keep the shell alive until the command has ended; a trapped signal is not ignored in the command.
# Some shells know no descriptor above 9.
_REPORT = 9
_KEEP_STATUS = (
    "unset PROOT_LOADER PROOT_TMP_DIR PROOT_NO_SECCOMP; trap : HUP INT QUIT TERM USR1; "
    f"echo signal 9 >&{_REPORT}; "  # true if nothing follows
    f'"$@" {_REPORT}>&-; set -- $?; echo exit $1 >&{_REPORT}; exit $1'
)


@dataclass(frozen=True)
class Traced:
    """A launch in PRoot.

    Attributes:
        launch: The launch.
        program: PRoot.
        root: The directory that becomes the root.
        writable_root: Whether the step may write there.
        environment: Variables for PRoot itself.
    """

    launch: Launch
    program: str
    root: str
    writable_root: bool
    environment: tuple[tuple[str, str], ...] = ()


def files(program: str) -> tuple[str, str, str]:
    """Return where a PRoot, its loader and its init are; the last two need not be.

    The loader saves PRoot writing it to a file at each start.
    """
    return program, f"{program}-loader", f"{program}-init"


def is_executable(path: str) -> bool:
    """Return whether ``path`` is a program that this user may execute."""
    return os.path.isfile(path) and os.access(path, os.X_OK)


def spawn(step: Traced, streams: tuple[int, int, int], report: int) -> int | None:
    """Start PRoot, as :meth:`.base.Spawner.spawn` says; ``None`` if it has no init.

    Raises:
        LaunchFault: Something of the launch is missing or impossible.
        OSError: The kernel refused.
    """
    init = files(step.program)[2]
    if not is_executable(init):
        return None
    # By its descriptor: a bind would cost PRoot more, since the image has no file that it could hide.
    own = os.open(init, os.O_PATH)
    words, environment = _invocation(
        step, (f"/proc/self/fd/{own}", "run", str(report), str(own), *step.launch.argv)
    )
    rules = binds.rules()
    ruleset = "-" if rules is None else str(rules.descriptor)
    tty = str(int(step.launch.tty))
    filter_ = seccomp.HIDE_NEW_CALLS.digits
    for descriptor in (report, own, *(() if rules is None else (rules.descriptor,))):
        os.set_inheritable(descriptor, True)
    try:
        # At the first PRoot kills the step, at the others it prints its memory; the init gives them on.
        return spawning.spawn(
            (init, "start", str(os.getpid()), str(report), ruleset, filter_, tty, *words),
            environment,
            streams,
            blocked=(signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2),
        )
    finally:
        os.close(own)


def become(step: Traced) -> NoReturn:
    """Become PRoot, with a shell of the image around the command.

    Raises:
        LaunchFault: Something of the launch is missing or impossible.
        OSError: The kernel refused.
    """
    if not any(os.path.lexists(os.path.join(step.root, path)) for path in ("bin/sh", "usr/bin/sh")):
        raise LaunchFault(
            "the image has no /bin/sh, without which PRoot may report a killed command as success; run "
            "`make proot` in a checkout of dodas, or use a host where the namespace engine works"
        )
    words, environment = _invocation(step, ("/bin/sh", "-c", _KEEP_STATUS, "sh", *step.launch.argv))
    seccomp.HIDE_NEW_CALLS.install()
    rules = binds.rules()
    if rules is not None:
        rules.enforce()
    start.reset_signals()
    os.dup2(start.reporter(), _REPORT)
    os.set_inheritable(_REPORT, True)  # which dup2 leaves as it is where both are the same
    start.execute(words, tuple(environment.items()))


def _invocation(step: Traced, command: tuple[str, ...]) -> tuple[tuple[str, ...], dict[str, str]]:
    """Return PRoot's command line and environment; keeps this process to the launch's processors."""
    launch = step.launch
    program, loader, init = files(step.program)
    bound = binds.wanted(launch, step.root, writable_root=step.writable_root)
    root = (step.root, landlock.WRITE if step.writable_root else landlock.READ)
    binds.allow(launch, bound, (root, *((path, landlock.READ) for path in (program, loader, init))))
    options = ("--kill-on-exit", "-r", step.root, "-w", launch.cwd, *binds.options(bound, launch.scratch))
    helpers = {"PROOT_TMP_DIR": launch.scratch, **dict(step.environment)}
    if is_executable(loader):
        helpers["PROOT_LOADER"] = loader
    if launch.cpus:
        with suppress(OSError):
            os.sched_setaffinity(0, launch.cpus)
    return (program, *options, *_identity(launch), *command), {**dict(launch.env), **helpers}


def _identity(launch: Launch) -> tuple[str, ...]:
    if launch.as_root:
        return ("-0",)
    return ("-i", f"{launch.ids[0]}:{launch.ids[1]}") if launch.ids else ()
