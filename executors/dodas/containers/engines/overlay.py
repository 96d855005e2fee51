"""A step's own view of a shared root: an overlay whose upper layer is dropped with the step.

The prepared root is the lower layer, which the kernel never writes.  What every container gets of its own
(account files, name resolution) is laid into the upper layer before it is mounted: that costs a file each,
where changing the mounted file system would cost a copy and a whiteout.  See the kernel's documentation,
``filesystems/overlayfs.rst``, for the options.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress

from dodas.containers.engines import syscalls
from dodas.containers.engines.accounts import read, with_group, with_user
from dodas.containers.launch import Launch, LaunchFault

_FROM_HOST = ("resolv.conf", "hosts")
_OPTION_CHARACTERS = frozenset(",:\\")
_OPTIONS = "upperdir=u,workdir=w,userxattr,volatile"


def mount_root(launch: Launch, uid: int, gid: int) -> str:
    """Mount the step's root in its scratch directory and return where; changes the working directory.

    Args:
        launch: The launch; its root is bound as it is when that is to be written.
        uid: The user's id outside.
        gid: The user's group outside.

    Raises:
        OSError: The kernel refused.
        LaunchFault: There is no root.
    """
    if launch.root is None:
        raise LaunchFault("no image was prepared for this engine")
    target = os.path.join(launch.scratch, "m")
    if launch.writable_root:
        os.mkdir(target)
        syscalls.attach_mount(syscalls.clone_mount(launch.root), target)
        return target
    try:
        _mount_overlay(launch, launch.root, uid, gid)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP, errno.EPERM):
            raise
        # Some file systems (NFS, another overlay) cannot hold an upper layer; memory always can.
        os.chdir("/")
        syscalls.mount("tmpfs", launch.scratch, "tmpfs", syscalls.MS_NOSUID | syscalls.MS_NODEV)
        _mount_overlay(launch, launch.root, uid, gid)
    return target


def _mount_overlay(launch: Launch, root: str, uid: int, gid: int) -> None:
    lower = root
    if not _OPTION_CHARACTERS.isdisjoint(root):
        lower = f"/proc/self/fd/{os.open(root, os.O_PATH | os.O_DIRECTORY)}"
    os.chdir(launch.scratch)
    for name in ("u", "w", "m"):
        os.mkdir(name, 0o755)
    owner = os.stat(root)
    if (owner.st_uid, owner.st_gid) != (os.geteuid(), os.getegid()):
        _own_directories(launch, root)
    _own_files(launch, root, uid, gid)
    syscalls.mount("overlay", os.path.join(launch.scratch, "m"), "overlay", 0, f"lowerdir={lower},{_OPTIONS}")


def _own_files(launch: Launch, root: str, uid: int, gid: int) -> None:
    """Give the container the user's account and, with a network, the host's names."""
    etc = os.path.join(root, "etc")
    with suppress(FileNotFoundError):
        if not stat.S_ISDIR(os.lstat(etc).st_mode):
            return  # an image with a link there keeps what it has
    files = {}
    if not launch.as_root:
        files["passwd"] = with_user(read(f"{etc}/passwd"), uid, gid)
        files["group"] = with_group(read(f"{etc}/group"), gid)
    if launch.network:
        files |= {name: read(f"/etc/{name}", follow=True) for name in _FROM_HOST}
    if not files:
        return
    with suppress(FileExistsError):
        os.mkdir("u/etc", 0o755)
    for name, content in files.items():
        descriptor = os.open(f"u/etc/{name}", os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o644)
        try:
            os.write(descriptor, content)
        finally:
            os.close(descriptor)


def _own_directories(launch: Launch, root: str) -> None:
    """Make directories of the image ours where a mount point or a file must be made below them.

    The overlay cannot copy up what belongs to an account unknown in the namespace (EOVERFLOW).  A
    directory that the image has as a symbolic link is left alone: a directory would hide it.
    """
    wanted = {"/tmp", "/var/tmp", "/etc", "/dev", "/proc", "/sys", launch.cwd}
    wanted.update(os.path.dirname(target) for _, target, _ in launch.mounts)
    wanted.update(target for source, target, _ in launch.mounts if os.path.isdir(source))
    for path in sorted(wanted):
        here, there = "u", root
        for part in filter(None, path.split("/")):
            there = os.path.join(there, part)
            here = os.path.join(here, part)
            with suppress(FileNotFoundError):
                if not stat.S_ISDIR(os.lstat(there).st_mode):
                    break
            with suppress(FileExistsError):
                os.mkdir(here, 0o1777 if path in {"/tmp", "/var/tmp"} and here.endswith("tmp") else 0o755)
