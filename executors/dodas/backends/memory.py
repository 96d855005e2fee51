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

# pid -> (parent, resident bytes, virtual bytes)
Table = Mapping[int, tuple[int, int, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Peaks:
    """The largest sizes seen of a tree, in bytes; 0 is what was not looked at.

    Attributes:
        resident: The sum of resident sizes.
        virtual: The sum of virtual sizes.
        unique: The sum of what each process has for itself alone.
        proportional: The sum of resident sizes, shared pages divided among their users.
    """

    resident: int = 0
    virtual: int = 0
    unique: int = 0
    proportional: int = 0

    def with_those_of(self, other: Peaks) -> Peaks:
        """Return the larger one of each."""
        return Peaks(
            resident=max(self.resident, other.resident),
            virtual=max(self.virtual, other.virtual),
            unique=max(self.unique, other.unique),
            proportional=max(self.proportional, other.proportional),
        )


@dataclass(slots=True)
class _Tree:
    root: int
    depth: int
    limit: int | None
    measured: bool
    peaks: Peaks = Peaks()


class MemoryWatch:
    """Knows the peak of each tree and finds those over their limit.

    The sum of resident sizes counts shared pages once for each process, so it only raises suspicion; a tree
    is over its limit when its proportional size is.  See proc(5), ``smaps_rollup``.
    """

    def __init__(self) -> None:
        self._trees: dict[str, _Tree] = {}
        self._due = 0.0

    def add(
        self, key: str, root: int, *, depth: int, limit: int | None = None, measured: bool = False
    ) -> None:
        """Watch the descendants of process ``root`` from ``depth`` generations below it on.

        Args:
            key: What it is called here.
            root: A process.
            depth: How many generations of it do not count.
            limit: Bytes above which :meth:`look` returns it.
            measured: Whether to know all of :class:`Peaks`; otherwise only the resident size.
        """
        if not self._trees:
            self._due = time.monotonic() + _SHORTEST
        self._trees[key] = _Tree(root, depth, limit, measured)

    def remove(self, key: str) -> Peaks:
        """Stop watching and return the largest sizes seen."""
        tree = self._trees.pop(key, None)
        return tree.peaks if tree else Peaks()

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
            suspected = tree.limit is not None and used > tree.limit
            unique, divided = shares(pids) if suspected or tree.measured else (0, 0)
            if suspected:
                used = min(used, divided)
            if tree.limit is not None and used > tree.limit:
                yield key, used
            now = Peaks(resident=used)
            if tree.measured:
                virtual = sum(table[pid][2] for pid in pids)
                now = Peaks(resident=used, virtual=virtual, unique=unique, proportional=divided)
            tree.peaks = tree.peaks.with_those_of(now)


def processes() -> dict[int, tuple[int, int, int]]:
    """Return ``{pid: (parent, resident bytes, virtual bytes)}`` of all that this process can see.

    One file for each process has both (proc_pid_stat(5)); psutil reads two and costs six times as much.
    """
    table = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with suppress(OSError), open(f"/proc/{name}/stat", "rb", buffering=0) as file:
                # Fields from the third on; the second, the command's name, may hold anything.
                fields = file.read().rpartition(b") ")[2].split(b" ", 22)
                table[int(name)] = int(fields[1]), int(fields[21]) * _PAGE, int(fields[20])
    return table


def shares(pids: list[int]) -> tuple[int, int]:
    """Return what processes have for themselves alone, and that with their share of what others use too.

    Both are bytes, and the resident size of those whose pages we may not look at.
    """
    found = [_shares(pid) for pid in pids]
    return sum(own for own, _ in found), sum(share for _, share in found)


def _shares(pid: int) -> tuple[int, int]:
    # proc_pid_smaps(5): "Pss: … kB", "Private_Clean: … kB"; sums over all mappings of the process.
    with suppress(OSError):
        with suppress(PermissionError), open(f"/proc/{pid}/smaps_rollup", "rb", buffering=0) as file:
            sizes = {
                name: int(size.split()[0]) << 10
                for name, _, size in (line.partition(b":") for line in file.read().splitlines()[1:])
            }
            if b"Pss" in sizes:
                private = (sizes.get(name, 0) for name in (b"Private_Clean", b"Private_Dirty"))
                return sum(private), sizes[b"Pss"]
        with open(f"/proc/{pid}/statm", "rb", buffering=0) as file:
            resident = int(file.read().split()[1]) * _PAGE
            return resident, resident
    return 0, 0


def _children(table: Table) -> dict[int, list[int]]:
    children: dict[int, list[int]] = {}
    for pid, (parent, *_) in table.items():
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
