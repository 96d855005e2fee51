"""What goes when room is wanted: results that nobody asks for, the oldest first, and what is left over."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from dodas.containers.removal import remove_tree
from dodas.reuse import asked
from dodas.reuse.entries import LOCK, Entry, Layout

_ASKED = 90 * 86400.0  # seconds
# A run makes its directory and the lock in it within a moment.
_BEGINS = 60.0


@dataclass(slots=True)
class Report:
    """What a collection did.

    Attributes:
        removed: Step, key and bytes of each entry that went.
        leftovers: Parts of entries that were never finished, or cannot be read.
        kept: How many entries stay.
        size: Bytes of those.
        in_use: How many of those stay only because a run may need them.
    """

    removed: list[tuple[str, str, int]] = field(default_factory=list)
    leftovers: int = 0
    kept: int = 0
    size: int = 0
    in_use: int = 0


def collect(
    layout: Layout, *, older_than: float | None = None, keep: int | None = None, dry_run: bool = False
) -> Report:
    """Remove what is left of killed runs, and entries as asked for; never what a living run has used.

    Args:
        layout: The directory.
        older_than: Entries not used for so many seconds go.
        keep: Bytes that may stay; those longest not used go first.
        dry_run: Nothing goes, but the report says what would.
    """
    report = Report()
    alive = min(_now(layout), _alive(layout, report, dry_run=dry_run))
    entries: list[Entry] = []
    for key, entry in layout.known():
        if entry is not None:
            entries.append(entry)
        elif dry_run or _remove(layout, layout.place(key), alive):
            report.leftovers += 1
    entries.sort(key=Entry.used)
    report.kept, report.size = len(entries), sum(entry.size for entry in entries)
    before = None if older_than is None else time.time() - older_than
    for entry in entries:
        old = before is not None and entry.used() < before
        if not old and (keep is None or report.size <= keep):
            continue
        if entry.used() >= alive or not (dry_run or _remove(layout, entry.path, alive)):
            report.in_use += 1
            continue
        report.removed.append((entry.step, entry.key, entry.size))
        report.kept, report.size = report.kept - 1, report.size - entry.size
    if not dry_run:
        asked.forget(layout, older_than=_ASKED)
    return report


def _alive(layout: Layout, report: Report, *, dry_run: bool) -> float:
    """Return since when runs live that live now, after removing what others left."""
    since = float("inf")
    for path in _runs(layout):
        lock = os.path.join(path, LOCK)
        try:
            file = open(lock, "ab")  # noqa: SIM115 - closed below, after its directory is gone
        except OSError:
            if _age(path) > _BEGINS and not dry_run:
                remove_tree(path)
            else:
                since = min(since, time.time() - _BEGINS)
            continue
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                since = min(since, os.fstat(file.fileno()).st_mtime)
                continue
            report.leftovers += sum(name != LOCK for name in os.listdir(path))
            if not dry_run:
                remove_tree(path)
    return since


def _now(layout: Layout) -> float:
    """Return the time by the clock that gives files theirs."""
    try:
        os.utime(layout.lock)
        return os.stat(layout.lock).st_mtime
    except OSError:
        return time.time()


def _runs(layout: Layout) -> Iterator[str]:
    with suppress(OSError):
        yield from [entry.path for entry in os.scandir(layout.live) if entry.is_dir(follow_symlinks=False)]


def _age(path: str) -> float:
    try:
        return time.time() - os.stat(path).st_mtime
    except OSError:
        return 0.0


def _remove(layout: Layout, path: str, alive: float) -> bool:
    """Remove an entry, unless a run has asked for it meanwhile."""
    aside = os.path.join(layout.live, f"removed-{os.urandom(8).hex()}")
    with layout.locked(fcntl.LOCK_EX):
        try:
            if os.stat(path).st_mtime >= alive:
                return False
            os.rename(path, aside)
        except OSError:
            return False
    remove_tree(aside)
    with suppress(OSError):
        os.rmdir(os.path.dirname(path))
    return True
