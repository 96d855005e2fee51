"""Pools that workflows bring up themselves, and that go by themselves when none needs them any more.

Each workflow holds a lock beside the pool's directory, and not in it: it is taken before the pool is looked
at, also where that is just being removed, so that a pool either sees its visitor or comes again for it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from dodas.containers import locks
from dodas.pool.layout import Layout, pools_dir

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

    name, _ = bring_up_described(path, visit=True, say=lambda text: print(text, file=sys.stderr, flush=True))
    return name


def stay(pool: str) -> None:
    """Keep a pool from going by itself as long as this process lives."""
    layout = Layout(pool)
    if pool not in _held and os.path.exists(layout.description):
        _held[pool] = locks.keep_shared(_lock(layout))


@contextmanager
def meanwhile(layout: Layout) -> Iterator[None]:
    """Keep a pool, which need not be there yet, from going by itself for as long as this context lasts."""
    # Only who brings a pool up needs it.
    from dodas.pool.furnish import make_private, remove_if_empty  # noqa: PLC0415

    while True:
        make_private(pools_dir())
        # The directory may be removed before the lock is in it, by who took the last pool down.
        with suppress(FileNotFoundError):
            lock = locks.keep_shared(_lock(layout))
            break
    try:
        yield
    finally:
        os.close(lock)
        if not os.path.exists(layout.at("pool.json")):
            forget(layout)
            remove_if_empty(pools_dir())


def note(layout: Layout, *, started: bool, visit: bool) -> None:
    """Remember whether a pool is to go by itself: one that a workflow started, until a person wants it up."""
    mark = layout.at(_BROUGHT)
    if visit and started:
        with open(mark, "wb"):
            pass
    elif not visit:
        with suppress(FileNotFoundError):
            os.unlink(mark)


def is_left(layout: Layout) -> bool:
    """Return whether a workflow brought the pool up, and none is there any more."""
    return os.path.exists(layout.at(_BROUGHT)) and not locks.is_held(_lock(layout))


def let_go(layout: Layout) -> None:
    """Have a process end the pool, unless there are jobs in its queue, or somebody comes before it does."""
    subprocess.Popen(
        [sys.executable, "-m", "dodas.pool.take_down", layout.name],
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        cwd="/",
    )


def forget(layout: Layout) -> None:
    """Remove the lock of a pool that is no more, unless somebody waits for it to come again."""
    with suppress(FileNotFoundError), locks.try_exclusive(_lock(layout), keep=False):
        pass


def _lock(layout: Layout) -> str:
    return os.path.join(pools_dir(), f".{layout.name}.visits")
