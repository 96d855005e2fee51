"""The container of the namespace engine and a command in it, by the bare system calls and nothing else.

The measure for the engine's own start.  It is the same work: the same namespaces, layers, mounts, devices,
files and options, in the same order, for the same launch; and it is done by a process as small as the fork
server, with the same two forks and ``posix_spawn``, also in Python.  As in dodas nobody waits for the removal
of the private files.  What it lacks is what dodas adds: orders and news, limits, measuring, reporting of
faults, forks ahead of the start, and supervisors that outlive it.
"""

from __future__ import annotations

import gc
import os
import sys
from contextlib import suppress

from dodas.containers.engines import accounts, syscalls
from dodas.containers.removal import remove_tree

_APART = syscalls.CLONE_NEWUSER | syscalls.CLONE_NEWPID | syscalls.CLONE_NEWIPC
_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_LINKS = {
    "fd": "/proc/self/fd",
    "stdin": "fd/0",
    "stdout": "fd/1",
    "stderr": "fd/2",
    "ptmx": "pts/ptmx",
}
_READ_ONLY = syscalls.MOUNT_ATTR_RDONLY
_NO_PROGRAMS = syscalls.MS_NOSUID | syscalls.MS_NODEV | syscalls.MS_NOEXEC
_OPTIONS = "upperdir=u,workdir=w,userxattr,volatile"
_TERMINAL = "newinstance,ptmxmode=0666,mode=620"
_SYSTEM = ("/proc/sys", "/proc/sysrq-trigger", "/proc/irq", "/proc/bus")
_DROPPED = frozenset(range(41)) - {0, 1, 3, 4, 5, 6, 7, 8, 10, 18, 31}


def start_once(root: str, scratch: str) -> None:
    """Start and await one command."""
    uid, gid = os.getuid(), os.getgid()
    os.mkdir(scratch, 0o700)
    reader, writer = os.pipe()
    if os.fork() == 0:
        syscalls.unshare(_APART)
        _map_ids(f"0 {uid} 1", f"0 {gid} 1")
        init = os.fork()
        if init == 0:
            _contain(root, scratch, uid, gid)
            command = os.posix_spawn("/bin/true", ["/bin/true"], {})
            os._exit(os.waitstatus_to_exitcode(os.waitpid(command, 0)[1]))
        os.write(writer, bytes([os.waitpid(init, 0)[1] == 0]))
        remove_tree(scratch)
        os._exit(0)
    os.close(writer)
    if os.read(reader, 1) != b"\1":
        sys.exit("the bare start failed")
    os.close(reader)


def _map_ids(uid_map: str, gid_map: str) -> None:
    for name, text in (("setgroups", "deny"), ("uid_map", uid_map), ("gid_map", gid_map)):
        _write(f"/proc/self/{name}", text.encode(), os.O_WRONLY)


def _contain(root: str, scratch: str, uid: int, gid: int) -> None:
    syscalls.unshare(syscalls.CLONE_NEWNS)
    syscalls.mount("none", "/", "", syscalls.MS_REC | syscalls.MS_PRIVATE)
    sysfs = _read_only("/sys")
    devices = [syscalls.clone_mount(f"/dev/{name}") for name in _DEVICES]
    _layers(root, scratch, uid, gid)
    os.chdir(f"{scratch}/m")
    syscalls.mount("proc", "proc", "proc", _NO_PROGRAMS)
    syscalls.pivot_root(".", ".")
    syscalls.unmount(".")
    os.chdir("/")
    if uid == 0:
        for path in filter(os.path.exists, _SYSTEM):
            _attach(_read_only(path), path)
    _attach(sysfs, "/sys")
    _fill_dev(devices)
    with suppress(FileExistsError):
        os.mkdir("/tmp", 0o1777)
    _give_up_power(uid, gid)


def _layers(root: str, scratch: str, uid: int, gid: int) -> None:
    os.chdir(scratch)
    for name in ("u", "w", "m", "u/etc"):
        os.mkdir(name, 0o755)
    _write("u/etc/passwd", accounts.with_user(accounts.read(f"{root}/etc/passwd"), uid, gid))
    _write("u/etc/group", accounts.with_group(accounts.read(f"{root}/etc/group"), gid))
    for name in ("resolv.conf", "hosts"):
        _write(f"u/etc/{name}", accounts.read(f"/etc/{name}", follow=True))
    syscalls.mount("overlay", f"{scratch}/m", "overlay", 0, f"lowerdir={root},{_OPTIONS}")


def _fill_dev(devices: list[int]) -> None:
    syscalls.mount("tmpfs", "/dev", "tmpfs", syscalls.MS_NOSUID, "mode=755,size=16m")
    for name, descriptor in zip(_DEVICES, devices, strict=True):
        _write(f"/dev/{name}", b"")
        _attach(descriptor, f"/dev/{name}")
    os.mkdir("/dev/pts", 0o755)
    syscalls.mount("devpts", "/dev/pts", "devpts", syscalls.MS_NOSUID | syscalls.MS_NOEXEC, _TERMINAL)
    os.mkdir("/dev/shm", 0o1777)
    syscalls.mount("tmpfs", "/dev/shm", "tmpfs", syscalls.MS_NOSUID | syscalls.MS_NODEV, "mode=1777")
    for name, target in _LINKS.items():
        os.symlink(target, f"/dev/{name}")


def _give_up_power(uid: int, gid: int) -> None:
    if uid or gid:
        syscalls.unshare(syscalls.CLONE_NEWUSER)
        _map_ids(f"{uid} 0 1", f"{gid} 0 1")
    else:
        for number in _DROPPED:
            with suppress(OSError):
                syscalls.prctl(syscalls.PR_CAPBSET_DROP, number)
    syscalls.prctl(syscalls.PR_SET_NO_NEW_PRIVS, 1)


def _read_only(path: str) -> int:
    tree = syscalls.clone_mount(path)
    syscalls.restrict_mount(tree, _READ_ONLY)
    return tree


def _attach(tree: int, path: str) -> None:
    syscalls.attach_mount(tree, path)
    os.close(tree)


def _write(path: str, content: bytes, flags: int = os.O_CREAT | os.O_WRONLY) -> None:
    descriptor = os.open(path, flags, 0o644)
    os.write(descriptor, content)
    os.close(descriptor)


def main() -> None:
    """Start ``/bin/true`` in a root: ``ROOT SCRATCH COUNT``."""
    root, scratch, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    gc.disable()
    for number in range(count):
        start_once(root, os.path.join(scratch, f"bare{number}"))
        _collect(os.WNOHANG)
    _collect(0)


def _collect(how: int) -> None:
    """Collect the processes that have removed what they should."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, how)[0]:
            pass


if __name__ == "__main__":
    main()
