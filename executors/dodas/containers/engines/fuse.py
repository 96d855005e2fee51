"""fuse-overlayfs below PRoot: a file system that each step may change as it likes, without namespaces.

For hosts without user namespaces where ``/dev/fuse`` can be opened and ``fusermount3`` is set-uid, as
distributions install it.  The mount ends with the launch; should its owner be killed, the fork server or
the next run takes it away (:mod:`dodas.worker.scratch`).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from typing import NoReturn

from dodas.containers.engines import proot, traced
from dodas.containers.engines.mounts import mounted_below, unmount_below
from dodas.containers.launch import Launch, LaunchFault

_PROGRAM = "fuse-overlayfs"
_LONGEST_MOUNT = 20.0
_OPTION_CHARACTERS = frozenset(",:\\")


class Fuse:
    """The engine described above."""

    name = "fuse"
    isolates_network = False
    isolates_root = True
    own_pids = False
    namespaces = 0
    _proot = proot.Proot()

    def missing(self) -> str:
        """Return which of the programs and devices is not there."""
        if shutil.which(_PROGRAM) is None:
            return f"{_PROGRAM} is not installed"
        if shutil.which("fusermount3") is None:
            return "fusermount3 is not installed"
        if not os.access("/dev/fuse", os.R_OK | os.W_OK):
            return "/dev/fuse cannot be opened by this user"
        return self._proot.missing()

    def confine(self, launch: Launch) -> None:
        """Mount the step's own view of the root."""
        if launch.root is None:
            raise LaunchFault("no image was prepared for this engine")
        root, target = launch.root, _target(launch)
        for name in ("u", "w", "m", "i"):
            os.mkdir(os.path.join(launch.scratch, name), 0o755)
        if not _OPTION_CHARACTERS.isdisjoint(root):
            link = os.path.join(launch.scratch, "i", "lower")
            os.symlink(root, link)
            root = link
        layers = f"lowerdir={root},upperdir={launch.scratch}/u,workdir={launch.scratch}/w"
        log = os.path.join(launch.scratch, "i", "log")
        with open(log, "wb") as errors:
            server = subprocess.Popen(
                [_PROGRAM, "-f", "-o", layers, target],
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
                start_new_session=True,
            )
        _await(server, target, log)

    def spawns(self) -> bool:
        """Return true, as PRoot does."""
        return True

    def get_ready(self, scratch: str) -> None:
        """Prepare the rules that every launch has."""
        self._proot.get_ready(scratch)

    def spawn(self, launch: Launch, streams: tuple[int, int, int], report: int) -> int | None:
        """Start PRoot in the mounted root, if it has its init."""
        return traced.spawn(_traced(launch), streams, report)

    def enter(self, launch: Launch) -> NoReturn:
        """Become PRoot in the mounted root."""
        traced.become(_traced(launch))

    def exit_code(self, launch: Launch, code: int) -> int:
        """Return the status of a step of which nothing was reported."""
        return self._proot.exit_code(launch, code)

    def leaves_supervisor_alone(self, launch: Launch) -> bool:
        """Return false: it has started the mount's server, and keeps accounts of that."""
        return False

    def clean(self, launch: Launch) -> None:
        """Take the mount away; its server has been ended with all other processes."""
        unmount_below(launch.scratch)


def _traced(launch: Launch) -> traced.Traced:
    return traced.Traced(launch, proot.program(launch), _target(launch), writable_root=True)


def _target(launch: Launch) -> str:
    return os.path.join(launch.scratch, "m")


def _await(server: subprocess.Popen[bytes], target: str, log: str) -> None:
    """Wait until ``target`` is mounted; there is nothing to be notified by."""
    end = time.monotonic() + _LONGEST_MOUNT
    pause = 0.001
    while not mounted_below(target):
        if server.poll() is not None or time.monotonic() > end:
            with open(log, encoding="utf-8", errors="replace") as file:
                raise LaunchFault(f"{_PROGRAM} failed: {file.read().strip()[-500:] or 'no answer'}")
        time.sleep(pause)
        pause = min(2 * pause, 0.05)
