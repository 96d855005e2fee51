"""What this process may use of its machine: processors and memory, control groups respected.

Batch systems and container runtimes confine jobs by processor affinity, by control groups of version 1 or 2
(cgroups(7); kernel documentation, admin-guide/cgroup-v2), or both.  A limit may sit on any ancestor of
our group, so the tree is walked up to its mount point.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress

from dodas.values import dataclass

Read = Callable[[str], "float | None"]


def cores(root: str = "/", affinity: int | None = None) -> float:
    """Return how many processors this process may keep busy; a quota may make it a fraction.

    Args:
        root: Where ``proc`` and the control groups are found.
        affinity: Processors that the scheduler may put it on; ``None`` asks the kernel.
    """
    allowed = float(affinity or len(os.sched_getaffinity(0)))
    return min((allowed, *_limits(root, "cpu", {"cpu.max": _quota, "cpu.cfs_quota_us": _quota_v1})))


def memory(root: str = "/") -> int:
    """Return how many bytes this process may use: the machine's memory or a group's limit."""
    files = dict.fromkeys(("memory.max", "memory.high", "memory.limit_in_bytes"), _number)
    return int(min((_physical(root), *_limits(root, "memory", files))))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Mount:
    point: str  # where the hierarchy is seen
    top: str  # which group of it is seen there
    controllers: frozenset[str]  # empty for version 2


def _limits(root: str, controller: str, files: Mapping[str, Read]) -> Iterator[float]:
    for folder in _groups(root, controller):
        for name, read in files.items():
            with suppress(OSError, ValueError):
                limit = read(os.path.join(folder, name))
                if limit is not None:
                    yield limit


def _groups(root: str, controller: str) -> Iterator[str]:
    """Yield the directories of our groups that may limit ``controller``, and of their ancestors."""
    mounts = list(_mounts(_text(root, "proc/self/mountinfo")))
    for line in _text(root, "proc/self/cgroup").splitlines():
        _, names, path = line.split(":", 2)
        for mount in mounts:
            if controller in mount.controllers & {*names.split(",")} or not (names or mount.controllers):
                yield from _upwards(os.path.join(root, mount.point.lstrip("/")), _below(path, mount.top))


def _mounts(mountinfo: str) -> Iterator[_Mount]:
    # proc_pid_mountinfo(5): ids, device, root, mount point, options, tags - type, source, super options
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(" ", 2)
        if kind in {"cgroup", "cgroup2"}:
            top, point = (_unescape(field) for field in before.split(" ")[3:5])
            controllers = frozenset(options.split(",")) if kind == "cgroup" else frozenset()
            yield _Mount(point=point, top=top, controllers=controllers)


def _below(path: str, top: str) -> str:
    """Return ``path`` as seen from the group ``top``; the mount's own when it lies outside."""
    if top == "/":
        return path
    inside = path == top or path.startswith(top + "/")
    return path[len(top) :] if inside else "/"


def _upwards(point: str, path: str) -> Iterator[str]:
    parts = [part for part in path.split("/") if part not in {"", ".."}]
    for depth in range(len(parts), -1, -1):
        yield os.path.join(point, *parts[:depth])


def _quota(path: str) -> float | None:
    quota, period = _read(path).split()
    return None if quota == "max" else int(quota) / int(period)


def _quota_v1(path: str) -> float | None:
    quota = int(_read(path))
    return (
        None if quota <= 0 else quota / int(_read(os.path.join(os.path.dirname(path), "cpu.cfs_period_us")))
    )


def _number(path: str) -> float | None:
    text = _read(path)
    return None if text == "max" else int(text)


def _physical(root: str) -> int:
    for line in _text(root, "proc/meminfo").splitlines():
        if line.startswith("MemTotal:"):
            return int(line.split()[1]) << 10
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _text(root: str, name: str) -> str:
    try:
        return _read(os.path.join(root, name))
    except OSError:
        return ""


def _read(path: str) -> str:
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        return file.read().strip()


def _unescape(field: str) -> str:
    return field.encode("latin-1", "surrogateescape").decode("unicode_escape") if "\\" in field else field
