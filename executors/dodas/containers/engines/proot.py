"""PRoot: system calls of the step are rewritten by a tracer; for hosts without user namespaces.

The prepared root itself is the step's root.  Landlock, where the kernel has it, keeps the step from
writing there, and from everything of the host but what it was given; its temporary directories, home and
working directory are private ones (:mod:`.binds`).  PRoot has flaws that are worked around here:

* A command that dies by a signal may be reported as success (proot-me/proot#146), so a process between PRoot
  and the command reports how it ended (:mod:`.traced`).
* Newer system calls that take paths are not translated and would reach the host's files; a filter answers
  that the kernel does not have them, and C libraries fall back (:data:`.seccomp.HIDE_NEW_CALLS`).
* It binds writable only, and not paths with a colon; the latter get a link without one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import NoReturn

from dodas.containers.engines import binds, traced
from dodas.containers.engines.traced import Traced
from dodas.containers.launch import Launch, LaunchFault
from dodas.paths import data_dir, store_dir

_KILLED = 137


class Proot:
    """PRoot with its system call filter (udocker's mode P1)."""

    name = "proot"
    isolates_network = False
    isolates_root = False
    own_pids = False
    namespaces = 0
    environment: tuple[tuple[str, str], ...] = ()

    def missing(self) -> str:
        """Return why there is no PRoot here."""
        return "" if find() else "no PRoot found; `udocker install` brings one"

    def confine(self, launch: Launch) -> None:
        """Do nothing."""

    def spawns(self) -> bool:
        """Return true: it is found out for each PRoot, which launches name."""
        return True

    def get_ready(self, scratch: str) -> None:
        """Prepare the rules and the directories that every launch has."""
        binds.renew_rules()
        binds.make_private(scratch)

    def spawn(self, launch: Launch, streams: tuple[int, int, int], report: int) -> int | None:
        """Start PRoot, if it has its init."""
        return traced.spawn(self._traced(launch), streams, report)

    def enter(self, launch: Launch) -> NoReturn:
        """Become PRoot, which becomes the command."""
        traced.become(self._traced(launch))

    def exit_code(self, launch: Launch, code: int) -> int:
        """Return the status of a step of which nothing was reported.

        PRoot failed then, or what it started was killed at once, which it may call a success.
        """
        return _KILLED if code in (0, 255) else code

    def clean(self, launch: Launch) -> None:
        """Do nothing: PRoot's temporary files are in the launch's scratch directory."""

    def leaves_supervisor_alone(self, launch: Launch) -> bool:
        """Return whether the supervisor may still use all its processors; its rules are renewed."""
        return not launch.cpus

    def _traced(self, launch: Launch) -> Traced:
        return Traced(launch, program(launch), launch.root or "", launch.writable_root, self.environment)


class ProotNoSeccomp(Proot):
    """PRoot without its filter, stopping at every system call (udocker's mode P2); slow, for odd kernels."""

    name = "proot-noseccomp"
    environment = (("PROOT_NO_SECCOMP", "1"),)


def find() -> str:
    """Return the path of the PRoot to use, or an empty string; see :func:`candidates`."""
    return next(_found(), "")


def program(launch: Launch) -> str:
    """Return the path of the PRoot for a launch.

    Raises:
        LaunchFault: There is none.
    """
    path = launch.program or find()
    if not path:
        raise LaunchFault("no PRoot found")
    return path


def candidates() -> list[str]:
    """Return the PRoots of this host, the likeliest to work first.

    Named by ``DODAS_PROOT``; made by the project's set-up; brought by ``udocker install``; on ``PATH``,
    which is often a distribution's and wrong.  With ``DODAS_PROOT`` there is no other.
    """
    return list(_found())


def _found() -> Iterator[str]:
    named = os.environ.get("DODAS_PROOT")
    return filter(traced.is_executable, [named] if named else _places())


def _places() -> Iterator[str]:
    yield os.path.join(data_dir(), "bin", "proot")
    for tail in ("-4_8_0", ""):
        yield os.path.join(store_dir(), "bin", f"proot-{os.uname().machine}{tail}")
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        if folder.startswith("/"):
            yield os.path.join(folder, "proot")
