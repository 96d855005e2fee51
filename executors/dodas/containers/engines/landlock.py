"""What the kernel itself lets a step touch, on hosts where it has no mount namespace of its own.

Landlock (landlock(7), Linux 5.13) restricts a process and all it starts to named directories, without
privileges.  It decides on the files reached, not on the paths written, so a system call that an engine
forgets to translate does not get through to the host's files either.  What it does not restrict is
metadata: ``chmod`` and ``utime`` still work where the user's own permissions allow them.
"""

from __future__ import annotations

import os
import stat
import struct
from functools import cache

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


@cache
def version() -> int:
    """Return the version of Landlock in this kernel, 0 for none."""
    try:
        return syscalls.call(_CREATE_RULESET, None, 0, _VERSION)
    except OSError:
        return 0


class Rules:
    """What a process may still do once they are enforced.

    Attributes:
        descriptor: What the kernel knows them by (landlock_restrict_self(2)).

    Raises:
        OSError: The kernel has no Landlock.
    """

    def __init__(self) -> None:
        self._handled = _ALL_OF.get(version(), _ALL_NOW)
        self.descriptor = syscalls.call(_CREATE_RULESET, struct.pack("Q", self._handled), 8, 0)

    def allow(self, path: str, rights: int) -> None:
        """Allow :data:`LIST`, :data:`READ` or :data:`WRITE` at ``path`` and below, unless it is out of reach.

        Raises:
            OSError: The kernel refused.
        """
        try:
            beneath = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            return
        rights &= self._handled
        if not stat.S_ISDIR(os.fstat(beneath).st_mode):
            rights &= _OF_FILES
        if rights:
            rule = struct.pack("=Qi", rights, beneath)
            syscalls.call(_ADD_RULE, self.descriptor, _PATH_BENEATH, rule, 0)
        os.close(beneath)

    def enforce(self) -> None:
        """Leave this process and all it starts nothing but what is allowed; open descriptors stay usable.

        Raises:
            OSError: The kernel refused.
        """
        syscalls.prctl(syscalls.PR_SET_NO_NEW_PRIVS, 1)
        syscalls.call(_RESTRICT_SELF, self.descriptor, 0)
        os.close(self.descriptor)
