"""Ends servers when the process that started them is killed, and so cannot do it."""

from __future__ import annotations

import atexit
import functools
import os
import subprocess
import sys

_PROGRAM = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)
groups = set()
for line in sys.stdin:
    (groups.add if line[0] == "+" else groups.discard)(int(line[1:]))
for group in groups:
    try:
        os.killpg(group, signal.SIGKILL)
    except OSError:
        pass
"""


def watch(group: int) -> None:
    """Let a process group end with this process, however that ends."""
    _tell(f"+{group}\n")


def forget(group: int) -> None:
    """Let it be: it has ended."""
    _tell(f"-{group}\n")


def _tell(line: str) -> None:
    os.write(_reaper(os.getpid()), line.encode())


@functools.cache
def _reaper(of: int) -> int:
    """Return the pipe to a process that reads until ``of``, this process, ends."""
    reader, writer = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", _PROGRAM], stdin=reader, start_new_session=True
    )
    os.close(reader)

    def end() -> None:
        os.close(writer)
        process.wait()

    atexit.register(end)
    return writer
