"""The fork server as a program of its own."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Protocol

# No site-packages, no user's start-up files: the server needs the standard library and this package.
_SERVER = "import sys; sys.path.insert(0, sys.argv.pop(1)); from dodas.worker.server import main; main()"


class Process(Protocol):
    """What is asked of the fork server's process."""

    @property
    def pid(self) -> int:
        """Its process id."""

    @property
    def returncode(self) -> int | None:
        """Its exit status; ``None`` until its end was seen."""

    def poll(self) -> int | None:
        """See whether it has ended."""

    def wait(self) -> int | None:
        """Wait for its end."""


Serve = Callable[[tuple[int, int, int], str], Process]


def start_server(given: tuple[int, int, int], scratch: str) -> Process:
    """Start a fork server, given the descriptors for orders, news and the lock of its directory."""
    import subprocess  # noqa: PLC0415 - not needed by those who fork theirs

    orders, news, lock = map(str, given)
    return subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", _SERVER, _package_root(), orders, news, scratch, lock],
        pass_fds=given,
        stdin=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C is for the program, which then decides
    )


def _package_root() -> str:
    here = os.path.dirname(os.path.abspath(__file__))
    return os.path.dirname(os.path.dirname(here))
