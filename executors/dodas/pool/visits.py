"""Pools that workflows bring up themselves, and that go by themselves when none needs them any more."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys

from dodas.containers import locks
from dodas.pool.layout import Layout

_LOCK = "visits.lock"
_BROUGHT = "visits"
_held: dict[str, int] = {}


def is_file(pool: str) -> bool:
    """Return whether what was given for a pool is a file that describes one, and not a pool's name."""
    return pool.endswith((".yaml", ".yml"))


def arrive(path: str) -> str:
    """Bring up the pool that a file describes, unless it is up, and stay; return its name.

    Raises:
        DodasError: As from :func:`.on_demand.bring_up_described`.
    """
    from dodas.pool.on_demand import bring_up_described  # noqa: PLC0415 - most pools are up, and known by name

    name, started = bring_up_described(path, say=lambda text: print(text, file=sys.stderr, flush=True))
    if started:
        with open(Layout(name).at(_BROUGHT), "wb"):
            pass
    return name


def stay(pool: str) -> None:
    """Keep a pool from going by itself as long as this process lives."""
    layout = Layout(pool)
    if pool not in _held and os.path.exists(layout.description):
        lock = os.open(layout.at(_LOCK), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(lock, fcntl.LOCK_SH)
        _held[pool] = lock


def is_left(layout: Layout) -> bool:
    """Return whether a workflow brought the pool up, and none is there any more."""
    return os.path.exists(layout.at(_BROUGHT)) and not locks.is_held(layout.at(_LOCK))


def let_go(layout: Layout) -> None:
    """Have a process end the pool, unless there are jobs in its queue."""
    subprocess.Popen(
        [sys.executable, "-m", "dodas", "pool", "down", layout.name],
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        cwd="/",
    )
