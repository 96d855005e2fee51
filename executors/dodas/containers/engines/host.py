"""No container: the command runs on the host, as the user, in a session of its own.

Where the init is that was built with PRoot (``tools/proot_init.c``), it stands between supervisor and
command, and nothing of Python is forked.
"""

from __future__ import annotations

import os
from typing import NoReturn

from dodas.containers.engines import spawning, start
from dodas.containers.launch import Launch, LaunchFault


class Bare:
    """What engines without a container have in common: nothing is isolated, all is done in the child."""

    isolates_network = False
    isolates_root = False
    own_pids = False
    namespaces = 0

    def missing(self) -> str:
        """Return an empty string: a host is always there."""
        return ""

    def confine(self, launch: Launch) -> None:
        """Do nothing."""

    def exit_code(self, launch: Launch, code: int) -> int:
        """Return ``code``, which is the command's own."""
        return code

    def clean(self, launch: Launch) -> None:
        """Do nothing."""

    def leaves_supervisor_alone(self, launch: Launch) -> bool:
        """Return true: all is done in the child."""
        return True


class Host(Bare):
    """Runs steps without an image; nothing is isolated, everything is still measured and ended."""

    name = "host"

    def spawns(self) -> bool:
        """Return whether the init is here."""
        return bool(_init())

    def get_ready(self, scratch: str) -> None:
        """Do nothing."""

    def spawn(self, launch: Launch, streams: tuple[int, int, int], report: int) -> int | None:
        """Start the init, which becomes the command."""
        if not launch.argv:
            return None
        os.set_inheritable(report, True)
        words = ("host", str(os.getpid()), str(report), str(int(launch.tty)), launch.cwd, *launch.argv)
        return spawning.spawn((_init(), *words), dict(launch.env), streams)

    def enter(self, launch: Launch) -> NoReturn:
        """Become the command."""
        go_to(launch.cwd)
        start.reset_signals()
        start.execute(launch.argv, launch.env)


def go_to(directory: str) -> None:
    """Make a directory of this machine the working directory.

    Raises:
        LaunchFault: It cannot be.
    """
    try:
        os.chdir(directory)
    except OSError as error:
        raise LaunchFault(f"working directory {directory}: {error.strerror}") from error


def _init() -> str:
    """Return the path of the init, an empty string if there is none."""
    from dodas.containers.engines import proot, traced  # noqa: PLC0415 - not all that run on a host need them

    found = proot.find()
    path = traced.files(found)[2] if found else ""
    return path if traced.is_executable(path) else ""
