"""Answers to system calls that the kernel gives in an engine's stead (seccomp(2), filter mode).

Filters are classic BPF programs over ``struct seccomp_data``: the number is at offset 0, the architecture
at 4.  Installed filters are inherited and cannot be taken off.
"""

from __future__ import annotations

import ctypes
import os
import struct

from dodas.containers.engines import syscalls

_ENOSYS = 38
_SUCCESS = 0

# Numbers shared by all 64-bit architectures (asm-generic/unistd.h; since Linux 5.1 one list for all).
_TOO_NEW = (
    425, 426, 427,  # io_uring_setup, io_uring_enter, io_uring_register
    428, 429, 430,  # open_tree, move_mount, fsopen
    437,  # openat2
    442, 443,  # mount_setattr, quotactl_fd
    452,  # fchmodat2
    457, 458,  # statmount, listmount
    463, 464, 465, 466,  # setxattrat, getxattrat, listxattrat, removexattrat
    467, 468, 469,  # open_tree_attr, file_getattr, file_setattr
)  # fmt: skip
# chown, fchown, lchown, fchownat, setgroups
_OWNERS = {"x86_64": (92, 93, 94, 260, 116), "aarch64": (55, 54, 159)}
_ARCHITECTURE = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7, "ppc64le": 0xC0000015, "riscv64": 0xC00000F3}
_machine = os.uname().machine

HIDE_NEW_CALLS = tuple((number, _ENOSYS) for number in _TOO_NEW)
"""Calls that take paths and that PRoot does not know: it would pass them on to the host's files.

C libraries and kernels' users fall back to the older call when they get ENOSYS.
"""

FAKE_OWNERS = tuple((number, _SUCCESS) for number in _OWNERS.get(_machine, ()))
"""Changes of owner succeed without doing anything.

A user namespace made without privileges knows one user only; package managers, which give files to
accounts of their own, would stop at the first.
"""


def install(answers: tuple[tuple[int, int], ...]) -> None:
    """Make system calls return at once with an error number, or with success when that is 0.

    Args:
        answers: ``(system call, error number)``.

    Raises:
        OSError: The kernel has no seccomp filters.
    """
    architecture = _ARCHITECTURE.get(_machine)
    if architecture is None or not answers:
        return
    program = _program(architecture, answers)
    code = ctypes.create_string_buffer(program, len(program))
    header = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(code)))
    syscalls.prctl(syscalls.PR_SET_NO_NEW_PRIVS, 1)
    syscalls.prctl(syscalls.PR_SET_SECCOMP, 2, ctypes.addressof(header))


def _program(architecture: int, answers: tuple[tuple[int, int], ...]) -> bytes:
    load, equal, give = 0x20, 0x15, 0x06
    allow, errno = 0x7FFF0000, 0x00050000
    steps = [(load, 0, 0, 4), (equal, 1, 0, architecture), (give, 0, 0, allow), (load, 0, 0, 0)]
    for number, error in answers:
        steps += [(equal, 0, 1, number), (give, 0, 0, errno | error)]
    steps.append((give, 0, 0, allow))
    return b"".join(struct.pack("HBBI", *step) for step in steps)
