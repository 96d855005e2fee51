"""The few system calls that Python's standard library lacks.

All raise :class:`OSError` with the kernel's error number.  They are bound once at import, because the
processes that use them are freshly forked and in a hurry.  References: the Linux manual pages
``mount(2)``, ``mount_setattr(2)``, ``open_tree(2)``, ``move_mount(2)``, ``pivot_root(2)``, ``unshare(2)``,
``prctl(2)``.
"""

from __future__ import annotations

import ctypes
import os
import signal
import struct
from typing import Any

_libc = ctypes.CDLL(None, use_errno=True)
_python = ctypes.PyDLL(None, use_errno=True)  # calls with the interpreter's lock held

CLONE_NEWNS = 0x00020000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
MS_REC, MS_PRIVATE, MS_SLAVE = 0x4000, 0x40000, 0x80000
MNT_DETACH = 2

MOUNT_ATTR_RDONLY, MOUNT_ATTR_NOSUID, MOUNT_ATTR_NODEV = 1, 2, 4

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 1, 36, 38
PR_CAPBSET_DROP, PR_SET_SECCOMP = 24, 22

# The same numbers on all 64-bit architectures that Linux has added since 2019 (asm-generic/unistd.h).
_OPEN_TREE, _MOVE_MOUNT, _CLONE3, _MOUNT_SETATTR = 428, 429, 435, 442
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41, "ppc64le": 203, "s390x": 217, "riscv64": 41}

_AT_FDCWD = -100
_AT_EMPTY_PATH, _AT_RECURSIVE = 0x1000, 0x8000
_OPEN_TREE_CLONE, _OPEN_TREE_CLOEXEC = 1, os.O_CLOEXEC
_MOVE_MOUNT_F_EMPTY_PATH = 4

_syscall = _libc.syscall
_syscall.restype = ctypes.c_long
_mount = _libc.mount
_mount.argtypes = (
    ctypes.c_char_p,
    ctypes.c_char_p,
    ctypes.c_char_p,
    ctypes.c_ulong,
    ctypes.c_char_p,
)
_umount2 = _libc.umount2
_umount2.argtypes = (ctypes.c_char_p, ctypes.c_int)
_unshare = _libc.unshare
_unshare.argtypes = (ctypes.c_int,)
_prctl = _libc.prctl
_prctl.argtypes = (ctypes.c_int, ctypes.c_ulong, ctypes.c_ulong, ctypes.c_ulong, ctypes.c_ulong)

_pivot_root_number = _PIVOT_ROOT.get(os.uname().machine, -1)


def _checked(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)
    return result


def call(number: int, *arguments: Any) -> int:
    """Make the system call ``number``; only for those whose number is the same everywhere."""
    return _checked(_syscall(number, *arguments), f"system call {number}")


def unshare(flags: int) -> None:
    """Move this process to new namespaces; ``CLONE_NEWPID`` concerns its children."""
    _checked(_unshare(flags), "unshare")


def signal_descriptor(number: int) -> int:
    """Return a descriptor that can be read when the signal, which must be blocked, has come (signalfd(2))."""
    wanted = struct.pack("16L", 1 << (number - 1), *(0 for _ in range(15)))
    flags = os.O_CLOEXEC | os.O_NONBLOCK
    return _checked(_libc.signalfd(-1, wanted, flags), "signalfd")


def fork(namespaces: int) -> int:
    """Fork as :func:`os.fork` does, with the child in new ``namespaces`` (clone(2)).

    For a process of one thread.  The interpreter is told before and after, as its C interface asks of whoever
    clones a process.
    """
    if not namespaces:
        return os.fork()
    # struct clone_args: flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls.
    arguments = struct.pack("8Q", namespaces, 0, 0, 0, signal.SIGCHLD, 0, 0, 0)
    _python.PyOS_BeforeFork()
    pid: int = _python.syscall(_CLONE3, arguments, len(arguments))
    if pid == 0:
        _python.PyOS_AfterFork_Child()
        return 0
    error = ctypes.get_errno()
    _python.PyOS_AfterFork_Parent()
    if pid < 0:
        raise OSError(error, os.strerror(error), "clone")
    return pid


def mount(source: str, target: str, kind: str, flags: int = 0, data: str = "") -> None:
    """Mount a file system of ``kind``, or change one that is mounted."""
    _checked(
        _mount(os.fsencode(source), os.fsencode(target), kind.encode(), flags, os.fsencode(data)), target
    )


def unmount(target: str, flags: int = MNT_DETACH) -> None:
    """Take a mount away."""
    _checked(_umount2(os.fsencode(target), flags), target)


def pivot_root(new: str, old: str) -> None:
    """Make ``new`` the root and put the old one at ``old``."""
    if _pivot_root_number < 0:
        raise OSError(38, "pivot_root is not known on this architecture")
    _checked(_syscall(_pivot_root_number, os.fsencode(new), os.fsencode(old)), new)


def clone_mount(path: str) -> int:
    """Return a descriptor of a detached copy of what is at ``path``, with all mounted below it."""
    flags = _OPEN_TREE_CLONE | _OPEN_TREE_CLOEXEC | _AT_RECURSIVE
    return _checked(_syscall(_OPEN_TREE, _AT_FDCWD, os.fsencode(path), flags), path)


def attach_mount(descriptor: int, target: str) -> None:
    """Mount what :func:`clone_mount` returned at ``target``."""
    _checked(
        _syscall(_MOVE_MOUNT, descriptor, b"", _AT_FDCWD, os.fsencode(target), _MOVE_MOUNT_F_EMPTY_PATH),
        target,
    )


def restrict_mount(descriptor: int, attributes: int) -> None:
    """Add attributes such as ``MOUNT_ATTR_RDONLY`` to a detached mount and all below it."""
    buffer = struct.pack("QQQQ", attributes, 0, 0, 0)
    _checked(
        _syscall(_MOUNT_SETATTR, descriptor, b"", _AT_EMPTY_PATH | _AT_RECURSIVE, buffer, len(buffer)),
        "mount_setattr",
    )


def prctl(option: int, *arguments: int) -> int:
    """Change or ask something of this process."""
    padded: Any = (*arguments, 0, 0, 0, 0)[:4]
    return _checked(_prctl(option, *padded), f"prctl {option}")
