"""Mounts that somebody left: finding them and taking them away, with or without privileges."""

from __future__ import annotations

import os
import re
from contextlib import suppress

from dodas.containers.engines import syscalls

_ESCAPED = re.compile(rb"\\([0-7]{3})")


def mounted_below(path: str) -> list[str]:
    """Return the mount points at or below ``path``, the deepest first (proc_pid_mountinfo(5))."""
    own = os.fsencode(os.path.realpath(path))
    found = []
    with open("/proc/self/mountinfo", "rb") as file:
        for line in file:
            point = _ESCAPED.sub(lambda octal: bytes([int(octal[1], 8)]), line.split(b" ")[4])
            if point == own or point.startswith(own + b"/"):
                found.append(os.fsdecode(point))
    return sorted(found, reverse=True)


def unmount_below(path: str) -> None:
    """Take away all mounts at or below ``path``; what cannot be is left."""
    for point in mounted_below(path):
        try:
            syscalls.unmount(point)
        except OSError:
            # Only here: the fork server must stay small, and these modules are large.
            import shutil  # noqa: PLC0415
            import subprocess  # noqa: PLC0415

            program = shutil.which("fusermount3") or shutil.which("fusermount")
            if program:
                with suppress(OSError):
                    subprocess.run([program, "-u", "-z", point], check=False, stderr=subprocess.DEVNULL)
