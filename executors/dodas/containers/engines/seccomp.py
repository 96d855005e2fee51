"""Answers to system calls that the kernel gives in an engine's stead (seccomp(2), filter mode).

Filters are classic BPF programs over ``struct seccomp_data``: the number is at offset 0, the architecture
at 4.  Installed filters are inherited and cannot be taken off.
"""

from __future__ import annotations

import ctypes
import os
import struct

from dodas.containers.engines import syscalls

_LOAD, _EQUAL, _NOT_LESS, _GIVE = 0x20, 0x15, 0x35, 0x06

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


class Filter:
    """A program that answers the system calls ``numbers`` with ``error``, 0 for success, and no others.

    Made once, in the fork server, so that no step has to.  When it is installed the kernel runs it for each
    number there is, so the way for most is short.

    Attributes:
        digits: The program in hexadecimal digits; none where the architecture is not known here.
    """

    def __init__(self, numbers: tuple[int, ...], error: int) -> None:
        count = len(numbers)
        # Jumps are relative: to the last step but one, which lets the call through, and to the last.
        steps = [
            (_LOAD, 0, 0, 4),
            (_EQUAL, 0, count + 2, _ARCHITECTURE.get(_machine, 0)),
            (_LOAD, 0, 0, 0),
            (_NOT_LESS, 0, count, min(numbers, default=0)),
            *((_EQUAL, count - place, 0, number) for place, number in enumerate(numbers)),
            (_GIVE, 0, 0, 0x7FFF0000),
            (_GIVE, 0, 0, 0x00050000 | error),
        ]
        program = b"".join(struct.pack("HBBI", *step) for step in steps)
        self.digits = program.hex() if _machine in _ARCHITECTURE else ""
        self._code = ctypes.create_string_buffer(program, len(program))
        header = struct.pack("HxxxxxxP", len(steps), ctypes.addressof(self._code))
        self._header = ctypes.create_string_buffer(header, len(header))
        self._address = ctypes.addressof(self._header)

    def install(self) -> None:
        """Put it over all system calls of this process and of those that it starts.

        Nothing happens on an architecture that is not known here.

        Raises:
            OSError: The kernel has no seccomp filters.
        """
        if self.digits:
            syscalls.prctl(syscalls.PR_SET_NO_NEW_PRIVS, 1)
            syscalls.prctl(syscalls.PR_SET_SECCOMP, 2, self._address)


HIDE_NEW_CALLS = Filter(_TOO_NEW, 38)  # ENOSYS
"""Calls that take paths and that PRoot does not know fail: it would pass them on to the host's files.

C libraries and kernels' users fall back to the older call when they get ENOSYS.
"""

FAKE_OWNERS = Filter(_OWNERS.get(_machine, ()), 0)
"""Changes of owner succeed without doing anything.

A user namespace made without privileges knows one user only; package managers, which give files to
accounts of their own, would stop at the first.
"""
