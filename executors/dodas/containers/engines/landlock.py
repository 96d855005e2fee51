"""What the kernel itself lets a step touch, on hosts where it has no mount namespace of its own.

Landlock (landlock(7), Linux 5.13) restricts a process and all it starts to named directories, without
privileges.  It decides on the files reached, not on the paths written, so a system call that an engine
forgets to translate does not get through to the host's files either.  What it does not restrict is
metadata: ``chmod`` and ``utime`` still work where the user's own permissions allow them.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from collections.abc import Iterable

from dodas.containers.engines import syscalls

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION, _PATH_BENEATH = 1, 1

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1, 2, 4, 8
_CHANGE_DIRECTORY = sum(1 << bit for bit in range(4, 13))  # remove and make files of all kinds
_REFER, _TRUNCATE, _IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15  # versions 2, 3, 5

_ALL_OF = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1}
_ALL_NOW = (1 << 16) - 1
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV

LIST = _READ_DIR
READ = _EXECUTE | _READ_FILE | _READ_DIR
WRITE = READ | _WRITE_FILE | _CHANGE_DIRECTORY | _REFER | _TRUNCATE | _IOCTL_DEV


def version() -> int:
    """Return the version of Landlock in this kernel, 0 for none."""
    try:
        return syscalls.call(_CREATE_RULESET, None, 0, _VERSION)
    except OSError:
        return 0


def restrict(allowed: Iterable[tuple[str, int]]) -> None:
    """Leave this process, for ever, nothing but what is ``allowed``; descriptors already open stay usable.

    Args:
        allowed: Paths with :data:`LIST`, :data:`READ` or :data:`WRITE`; absent ones are left out.

    Raises:
        OSError: The kernel has no Landlock, or refused.
    """
    known = version()
    if not known:
        raise OSError(errno.EOPNOTSUPP, "this kernel has no Landlock")
    handled = _ALL_OF.get(known, _ALL_NOW)
    attributes = ctypes.create_string_buffer(struct.pack("Q", handled), 8)
    ruleset = syscalls.call(_CREATE_RULESET, attributes, 8, 0)
    for path, rights in allowed:
        _allow(ruleset, path, rights & handled)
    syscalls.prctl(syscalls.PR_SET_NO_NEW_PRIVS, 1)
    syscalls.call(_RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        beneath = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    if not os.path.isdir(path):
        rights &= _OF_FILES
    if not rights:
        os.close(beneath)
        return
    rule = ctypes.create_string_buffer(struct.pack("=Qi", rights, beneath), 12)
    syscalls.call(_ADD_RULE, ruleset, _PATH_BENEATH, rule, 0)
    os.close(beneath)
