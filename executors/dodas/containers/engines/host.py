"""No container: the command runs on the host, as the user, in a session of its own."""

from __future__ import annotations

import os
from typing import NoReturn

from dodas.containers.engines import start
from dodas.containers.launch import Launch, LaunchFault


class Host:
    """Runs steps without an image; nothing is isolated, everything is still measured and ended."""

    name = "host"
    isolates_network = False
    isolates_root = False
    own_pids = False
    namespaces = 0

    def missing(self) -> str:
        """Return an empty string: a host is always there."""
        return ""

    def confine(self, launch: Launch) -> None:
        """Do nothing."""

    def enter(self, launch: Launch) -> NoReturn:
        """Become the command."""
        try:
            os.chdir(launch.cwd)
        except OSError as error:
            raise LaunchFault(f"working directory {launch.cwd}: {error.strerror}") from error
        start.reset_signals()
        start.execute(launch.argv, launch.env)

    def exit_code(self, launch: Launch, code: int) -> int:
        """Return ``code``, which is the command's own."""
        return code

    def clean(self, launch: Launch) -> None:
        """Do nothing."""

    def leaves_supervisor_alone(self, launch: Launch) -> bool:
        """Return true: all is done in the child."""
        return True
