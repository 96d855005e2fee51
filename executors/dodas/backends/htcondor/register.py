"""Which runs there are on this machine, for `dodas logs`: a file for each, while its directory lives."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from dodas import whole
from dodas.paths import state_dir


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A run.

    Attributes:
        run: Identifies it, in HTCondor too.
        path: Its directory.
        logs: Directory of the standard streams of its steps.
        changed: When it was last worked on, Unix seconds.
    """

    run: str
    path: str
    logs: str
    changed: float = 0.0


def enter(entry: Entry) -> None:
    """Let a run be known.  That this fails is no reason not to run anything."""
    with suppress(OSError):
        os.makedirs(_folder(), mode=0o700, exist_ok=True)
        whole.write(_path(entry.run), json.dumps({"path": entry.path, "logs": entry.logs}), mode=0o666)


def remove(run: str) -> None:
    """Let a run be forgotten."""
    with suppress(OSError):
        os.unlink(_path(run))


def entries() -> list[Entry]:
    """Return the runs whose directories are there, the one that was worked on last first."""
    return sorted(_entries(), key=lambda entry: -entry.changed)


def _entries() -> Iterator[Entry]:
    try:
        names = os.listdir(_folder())
    except OSError:
        return
    for name in names:
        run, dot, kind = name.rpartition(".")
        if not dot or kind != "json":
            continue
        with suppress(OSError, ValueError, KeyError):
            entry = _read(run)
            if os.path.isdir(entry.path):
                yield entry
            else:
                remove(run)


def _read(run: str) -> Entry:
    with open(_path(run), encoding="utf-8", errors="surrogateescape") as file:
        known = json.load(file)
    path = known["path"]
    changed = 0.0
    with suppress(OSError):
        changed = os.stat(os.path.join(path, "journal")).st_mtime
    return Entry(run=run, path=path, logs=known["logs"], changed=changed)


def _folder() -> str:
    return os.path.join(state_dir(), "runs")


def _path(run: str) -> str:
    return os.path.join(_folder(), f"{run}.json")
