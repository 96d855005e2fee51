"""The file system of a container, built inside a fresh mount namespace."""

from __future__ import annotations

import os
from contextlib import suppress

from dodas.containers.engines import syscalls
from dodas.containers.engines.overlay import mount_root
from dodas.containers.launch import Launch, LaunchFault

_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_LINKS = (
    ("fd", "/proc/self/fd"),
    ("stdin", "fd/0"),
    ("stdout", "fd/1"),
    ("stderr", "fd/2"),
    ("ptmx", "pts/ptmx"),
)
# What real root could change through its own /proc (sysctl) although it is root only in a namespace.
_PROC_OF_ROOT = ("/proc/sys", "/proc/sysrq-trigger", "/proc/irq", "/proc/bus")


def build(launch: Launch, uid: int, gid: int) -> None:
    """Make ``launch``'s container the root of this process; its working directory is the current one.

    Sources are opened before and targets resolved after the change of root, so neither a link in the
    image nor one in a mounted directory can lead a mount to a place of the host.

    Raises:
        OSError: The kernel refused; ``filename`` says where.
        LaunchFault: A source is missing, or the image has something in the way.
    """
    syscalls.mount("none", "/", "", syscalls.MS_REC | syscalls.MS_PRIVATE)
    trees = [
        (_tree(source, writable), os.path.isdir(source), target) for source, target, writable in launch.mounts
    ]
    sysfs = syscalls.clone_mount("/sys")
    syscalls.restrict_mount(sysfs, syscalls.MOUNT_ATTR_RDONLY)
    devices = _open_devices(launch)
    os.chdir(mount_root(launch, uid, gid))
    _mount_proc()
    syscalls.pivot_root(".", ".")
    syscalls.unmount(".")
    os.chdir("/")
    _kernel_file_systems(uid, sysfs, devices)
    with suppress(FileExistsError):
        os.mkdir("/tmp", 0o1777)
    for tree, is_directory, target in trees:
        _make_target(target, is_directory)
        syscalls.attach_mount(tree, target)
        os.close(tree)
    _enter_directory(launch.cwd)


def _tree(source: str, writable: bool) -> int:
    try:
        descriptor = syscalls.clone_mount(source)
    except OSError as error:
        raise LaunchFault(f"cannot mount {source}: {error.strerror}") from error
    if not writable:
        syscalls.restrict_mount(descriptor, syscalls.MOUNT_ATTR_RDONLY)
    return descriptor


def _open_devices(launch: Launch) -> list[tuple[str, int]]:
    opened = []
    for name in (*_DEVICES, *(path[5:] for path in launch.gpus if path.startswith("/dev/"))):
        with suppress(FileNotFoundError):
            opened.append((name, syscalls.clone_mount(f"/dev/{name}")))
    return opened


def _mount_proc() -> None:
    """Mount the container's own /proc below the current directory, its root to be.

    The kernel allows it only while the host's is still in sight, that is, before the change of root; so a
    link called ``proc`` in the image must not be followed.
    """
    try:
        with suppress(FileExistsError):
            os.mkdir("proc", 0o755)
        place = os.open("proc", os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError as error:
        raise LaunchFault(f"/proc of the image is not a directory: {error.strerror}") from error
    flags = syscalls.MS_NOSUID | syscalls.MS_NODEV | syscalls.MS_NOEXEC
    syscalls.mount("proc", f"/proc/self/fd/{place}", "proc", flags)
    os.close(place)


def _kernel_file_systems(uid: int, sysfs: int, devices: list[tuple[str, int]]) -> None:
    for place in ("/sys", "/dev"):
        _make_target(place, True)
    if uid == 0:
        for path in _PROC_OF_ROOT:
            if os.path.exists(path):
                tree = syscalls.clone_mount(path)
                syscalls.restrict_mount(tree, syscalls.MOUNT_ATTR_RDONLY)
                syscalls.attach_mount(tree, path)
                os.close(tree)
    syscalls.attach_mount(sysfs, "/sys")
    os.close(sysfs)
    syscalls.mount("tmpfs", "/dev", "tmpfs", syscalls.MS_NOSUID, "mode=755,size=16m")
    for name, descriptor in devices:
        path = f"/dev/{name}"
        if "/" in name:
            os.makedirs(os.path.dirname(path), exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o666))
        syscalls.attach_mount(descriptor, path)
        os.close(descriptor)
    os.mkdir("/dev/pts", 0o755)
    syscalls.mount(
        "devpts",
        "/dev/pts",
        "devpts",
        syscalls.MS_NOSUID | syscalls.MS_NOEXEC,
        "newinstance,ptmxmode=0666,mode=620",
    )
    os.mkdir("/dev/shm", 0o1777)
    syscalls.mount("tmpfs", "/dev/shm", "tmpfs", syscalls.MS_NOSUID | syscalls.MS_NODEV, "mode=1777")
    for name, target in _LINKS:
        os.symlink(target, f"/dev/{name}")


def _make_target(target: str, is_directory: bool) -> None:
    """Make the place where something is mounted, of the right kind, through the image's own links."""
    try:
        if is_directory:
            if not os.path.isdir(target):
                os.makedirs(target)
        elif not os.path.exists(target):
            os.makedirs(os.path.dirname(target), exist_ok=True)
            os.close(os.open(target, os.O_CREAT | os.O_WRONLY, 0o644))
    except OSError as error:
        raise LaunchFault(f"cannot make {target} in the container: {error.strerror}") from error


def _enter_directory(path: str) -> None:
    try:
        if not os.path.isdir(path):
            os.makedirs(path)
        os.chdir(path)
    except OSError as error:
        raise LaunchFault(f"working directory {path}: {error.strerror}") from error
