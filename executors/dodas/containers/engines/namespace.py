"""An overlay in a user namespace: exact, killable, milliseconds, no privileges.

Needs Linux 5.12 (unprivileged overlayfs with ``userxattr`` is 5.11, ``mount_setattr`` 5.12) and
unprivileged user namespaces.  The prepared root is the lower layer, so nothing a step does reaches it;
the upper layer is the step's scratch.  The command gets its own process, IPC and mount namespaces: when
its first process ends, the kernel ends all others.
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from typing import NoReturn

from dodas.containers.engines import network, seccomp, start, syscalls, system, userns
from dodas.containers.launch import Launch, LaunchFault

# What remains of root's capabilities in the container: those that concern its own files and processes
# (the set Docker leaves, without the raw network).  CAP_SYS_ADMIN would undo read-only mounts.
_KEPT_CAPABILITIES = frozenset((0, 1, 3, 4, 5, 6, 7, 8, 10, 18, 31))
_LAST_CAPABILITY = 40


class Namespace:
    """The engine described above."""

    name = "namespace"
    isolates_network = True
    isolates_root = True
    own_pids = True
    namespaces = syscalls.CLONE_NEWUSER | syscalls.CLONE_NEWPID | syscalls.CLONE_NEWIPC

    def missing(self) -> str:
        """Return why the kernel cannot do this, as far as it says so in files."""
        try:
            with open("/proc/sys/user/max_user_namespaces", encoding="ascii") as file:
                if file.read().strip() == "0":
                    return "user namespaces are switched off (user.max_user_namespaces is 0)"
        except OSError:
            return "this kernel has no user namespaces"
        release = os.uname().release.split("-")[0].split(".")
        version = tuple(int("".join(filter(str.isdigit, part)) or 0) for part in release[:2])
        return "" if version >= (5, 12) else "needs Linux 5.12 or newer"

    def confine(self, launch: Launch) -> None:
        """Do nothing."""

    def enter(self, launch: Launch) -> NoReturn:
        """Build the container as process 1 of the new namespace, run the command, end with it."""
        uid, gid = launch.ids or userns.outside()
        try:
            syscalls.unshare(syscalls.CLONE_NEWNS)
            if not launch.network:
                network.raise_loopback()
            system.build(launch, uid, gid)
        except OSError as error:
            raise LaunchFault(f"{error.filename or 'container'}: {error.strerror}") from error
        _give_up_power(launch, uid, gid)
        child = start.spawn(launch.argv, launch.env)
        if signal.SIGTERM in signal.sigpending():  # it came before the command was there to get it
            os.kill(child, signal.SIGTERM)
        _reap_until(child)

    def exit_code(self, launch: Launch, code: int) -> int:
        """Return ``code``, which is the command's own."""
        return code

    def clean(self, launch: Launch) -> None:
        """Do nothing: mounts and processes end with their namespaces."""

    def leaves_supervisor_alone(self, launch: Launch) -> bool:
        """Return true: all is done in the child."""
        return True


def _give_up_power(launch: Launch, uid: int, gid: int) -> None:
    """Leave this process, and so the command, no more rights than the command may have.

    Process 1 keeps what a new user namespace gives it there, so that the command cannot trace it.
    """
    if not launch.as_root and (uid or gid):
        # Back to the user's own ids.  No capability over the container's mounts is left then.
        syscalls.unshare(syscalls.CLONE_NEWUSER)
        userns.rename(uid, gid)
        syscalls.prctl(syscalls.PR_SET_PDEATHSIG, signal.SIGKILL)  # new ids may clear it
    else:
        _drop_capabilities()
    syscalls.prctl(syscalls.PR_SET_NO_NEW_PRIVS, 1)
    if launch.as_root:
        seccomp.FAKE_OWNERS.install()
    if launch.cpus:
        with suppress(OSError):
            os.sched_setaffinity(0, launch.cpus)


def _drop_capabilities() -> None:
    for number in range(_LAST_CAPABILITY + 1):
        if number not in _KEPT_CAPABILITIES:
            with suppress(OSError):
                syscalls.prctl(syscalls.PR_CAPBSET_DROP, number)


def _reap_until(child: int) -> NoReturn:
    """Be process 1: collect orphans until the command ends, then end with its status."""
    null = os.open("/", os.O_PATH)
    for descriptor in (0, 1, 2):  # the readers of the command's pipes wait for their end
        os.dup2(null, descriptor)
    while True:
        pid, status = os.waitpid(-1, 0)
        if pid == child:
            code = os.waitstatus_to_exitcode(status)
            if code < 0:
                start.tell_signal(-code)
            os._exit(code if code >= 0 else 128 - code)
