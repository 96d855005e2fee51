"""Ends every process that a step left behind, also those that hid in a session of their own.

Works without a process namespace: the caller is a child subreaper (``prctl(2)``,
``PR_SET_CHILD_SUBREAPER``), so whatever loses its parent becomes the caller's child.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Collection
from contextlib import suppress

_NOTHING: frozenset[int] = frozenset()
_Wait = Callable[[int, int], "tuple[int, int]"]


def parents() -> dict[int, int]:
    """Return ``{pid: parent}`` of all processes that this one can see, zombies left out."""
    table = {}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        with suppress(OSError), open(f"/proc/{name}/stat", "rb", buffering=0) as file:
            # The command's name, in parentheses, may hold anything (proc_pid_stat(5)).
            state, parent = file.read().rpartition(b") ")[2].split(b" ", 2)[:2]
            if state not in (b"Z", b"X"):
                table[int(name)] = int(parent)
    return table


def descendants(ancestor: int, *, spared: Collection[int] = _NOTHING) -> list[int]:
    """Return live descendants of ``ancestor``, the deepest first; none that is ``spared`` or below one."""
    children: dict[int, list[int]] = {}
    for pid, parent in parents().items():
        children.setdefault(parent, []).append(pid)
    found: list[int] = []
    level = [ancestor]
    while level:
        level = [pid for parent in level for pid in children.get(parent, ()) if pid not in spared]
        found += level
    return found[::-1]


def end_all(*, spared: Collection[int] = _NOTHING, wait: _Wait = os.waitpid) -> None:
    """Kill and collect every descendant of this process that is not ``spared`` (or below one that is).

    The deepest go first, so that a tracer outlives what it traces: a process that PRoot no longer
    translates for would see the host.

    Args:
        spared: Those that are somebody else's to end and to collect.
        wait: Collects a child, as :func:`os.waitpid` does.
    """
    me = os.getpid()
    while spared or _has_children(wait):
        condemned = descendants(me, spared=spared)
        for pid in condemned:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        if not condemned:
            return
        _collect(condemned, wait)


def _has_children(wait: _Wait) -> bool:
    """Return whether anything at all is below this process; collects what has ended already."""
    try:
        while wait(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True


def _collect(pids: list[int], wait: _Wait) -> None:
    """Wait for those of ``pids`` that are children; the others will be, once their parents are gone."""
    for pid in reversed(pids):
        with suppress(ChildProcessError):
            wait(pid, 0)
