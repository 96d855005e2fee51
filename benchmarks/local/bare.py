"""An overlay in a user namespace and a command in it, done with the bare system calls and nothing else.

The measure for the engine's own start: no supervisor, no limits, no private files, no measuring, no
reporting of faults.
"""

from __future__ import annotations

import os
import shutil
import sys

from dodas.containers.engines import syscalls

_NAMESPACES = syscalls.CLONE_NEWUSER | syscalls.CLONE_NEWNS | syscalls.CLONE_NEWPID | syscalls.CLONE_NEWIPC


def start_once(root: str, scratch: str) -> None:
    """Start and await one command."""
    uid, gid = os.getuid(), os.getgid()
    os.mkdir(scratch)
    child = os.fork()
    if child == 0:
        syscalls.unshare(_NAMESPACES)
        for name, text in (("setgroups", "deny"), ("uid_map", f"0 {uid} 1"), ("gid_map", f"0 {gid} 1")):
            with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
                file.write(text)
        init = os.fork()
        if init == 0:
            _contain(root, scratch)
            command = os.fork()
            if command == 0:
                os.execv("/bin/true", ["true"])
            os.waitpid(command, 0)
            os._exit(0)
        os._exit(os.waitstatus_to_exitcode(os.waitpid(init, 0)[1]))
    status = os.waitpid(child, 0)[1]
    if status:
        sys.exit("the bare start failed")
    os.chmod(f"{scratch}/w/work", 0o700)
    shutil.rmtree(scratch)


def _contain(root: str, scratch: str) -> None:
    syscalls.mount("none", "/", "", syscalls.MS_REC | syscalls.MS_PRIVATE)
    for name in ("u", "w", "m"):
        os.mkdir(f"{scratch}/{name}")
    layers = f"lowerdir={root},upperdir={scratch}/u,workdir={scratch}/w,userxattr"
    syscalls.mount("overlay", f"{scratch}/m", "overlay", 0, layers)
    for name in ("/dev", "/sys"):
        syscalls.attach_mount(syscalls.clone_mount(name), f"{scratch}/m{name}")
    syscalls.mount("proc", f"{scratch}/m/proc", "proc")
    os.chdir(f"{scratch}/m")
    syscalls.pivot_root(".", ".")
    syscalls.unmount(".")
    os.chdir("/")


def main() -> None:
    """Start ``/bin/true`` in a root: ``ROOT SCRATCH COUNT``."""
    root, scratch, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    for number in range(count):
        start_once(root, os.path.join(scratch, f"bare{number}"))


if __name__ == "__main__":
    main()
