"""The memory of many process trees, watched together."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress

from dodas.values import dataclass

_SHORTEST, _LONGEST = 0.1, 1.0  # seconds between two looks
_SHARE, _IDLE_SHARE = 0.02, 0.005  # of a processor for looking, with and without limits to enforce
_PAGE = os.sysconf("SC_PAGE_SIZE")

# pid -> (parent, resident bytes)
Table = Mapping[int, tuple[int, int]]


@dataclass(slots=True)
class _Tree:
    root: int
    depth: int
    limit: int | None
    peak: int = 0


class MemoryWatch:
    """Knows the peak of each tree and finds those over their limit.

    The sum of resident sizes counts shared pages once for each process, so it only raises suspicion; a tree
    is over its limit when its proportional size is.  See proc(5), ``smaps_rollup``.
    """

    def __init__(self) -> None:
        self._trees: dict[str, _Tree] = {}
        self._due = 0.0

    def add(self, key: str, root: int, *, depth: int, limit: int | None) -> None:
        """Watch the descendants of process ``root`` from ``depth`` generations below it on."""
        if not self._trees:
            self._due = time.monotonic() + _SHORTEST
        self._trees[key] = _Tree(root, depth, limit)

    def remove(self, key: str) -> int:
        """Stop watching and return the largest size seen, in bytes; 0 if none was."""
        tree = self._trees.pop(key, None)
        return tree.peak if tree else 0

    def wait(self) -> float | None:
        """Return the seconds until the next look is due; ``None`` when there is nothing to look at."""
        return max(0.0, self._due - time.monotonic()) if self._trees else None

    def look(self) -> list[tuple[str, int]]:
        """Look, if it is due, and return ``(key, bytes)`` of the trees over their limit."""
        if not self._trees or time.monotonic() < self._due:
            return []
        began = time.thread_time()
        over = list(self._measure())
        cost = time.thread_time() - began
        limited = any(tree.limit is not None for tree in self._trees.values())
        pause = min(_LONGEST, max(_SHORTEST, cost / (_SHARE if limited else _IDLE_SHARE)))
        self._due = time.monotonic() + pause
        return over

    def _measure(self) -> Iterator[tuple[str, int]]:
        table = processes()
        children = _children(table)
        for key, tree in self._trees.items():
            pids = list(_below(tree.root, tree.depth, children))
            used = sum(table[pid][1] for pid in pids)
            if tree.limit is not None and used > tree.limit:
                used = min(used, proportional(pids))
                if used > tree.limit:
                    yield key, used
            tree.peak = max(tree.peak, used)


def processes() -> dict[int, tuple[int, int]]:
    """Return ``{pid: (parent, resident bytes)}`` of all that this process can see.

    One file for each process has both (proc_pid_stat(5)); psutil reads two and costs six times as much.
    """
    table = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with suppress(OSError), open(f"/proc/{name}/stat", "rb", buffering=0) as file:
                # Fields from the third on; the second, the command's name, may hold anything.
                fields = file.read().rpartition(b") ")[2].split(b" ", 22)
                table[int(name)] = int(fields[1]), int(fields[21]) * _PAGE
    return table


def proportional(pids: list[int]) -> int:
    """Return the memory of processes, shared pages divided among their users; resident size if refused."""
    return sum(map(_proportional, pids))


def _proportional(pid: int) -> int:
    # proc_pid_smaps(5): "Pss: … kB", "SwapPss: … kB"; the sum over all mappings of the process.
    with suppress(OSError):
        with suppress(PermissionError), open(f"/proc/{pid}/smaps_rollup", "rb", buffering=0) as file:
            for line in file.read().splitlines():
                if line.startswith(b"Pss:"):
                    return int(line.split()[1]) << 10
        with open(f"/proc/{pid}/statm", "rb", buffering=0) as file:
            return int(file.read().split()[1]) * _PAGE
    return 0


def _children(table: Table) -> dict[int, list[int]]:
    children: dict[int, list[int]] = {}
    for pid, (parent, _) in table.items():
        children.setdefault(parent, []).append(pid)
    return children


def _below(root: int, depth: int, children: Mapping[int, list[int]]) -> Iterator[int]:
    level = [root]
    generation = 0
    while level:
        if generation >= depth:
            yield from level
        level = [child for pid in level for child in children.get(pid, ())]
        generation += 1
