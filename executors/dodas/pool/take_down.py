"""Ends a pool wholly; as a program, one that a workflow brought up, if none is there: ``take_down POOL``."""

from __future__ import annotations

import os
import sys
from contextlib import suppress

from dodas.containers import locks
from dodas.containers.removal import remove_tree
from dodas.errors import BackendError, DodasError
from dodas.pool import look, visits
from dodas.pool.furnish import remove_if_empty
from dodas.pool.keeping import bury
from dodas.pool.layout import Layout, known, pools_dir

_WORKERS = 120.0  # seconds in which workers must have ended


def take_down(name: str, *, force: bool = False, if_left: bool = False) -> int:
    """End all processes of a pool and remove all its files; return how many jobs were lost.

    Args:
        name: The pool, dead or alive.
        force: Whether jobs in its queue may be lost.
        if_left: Whether to leave it as it is if it is not one that workflows brought up and have left.

    Raises:
        SpecError: There is no such pool.
        BackendError: It has jobs, or its processes do not end.
    """
    layout = known(name)
    with locks.exclusive(layout.lock, keep=False):
        layout = known(name)
        if if_left and not visits.is_left(layout):
            return 0
        jobs = (look.jobs(layout) or {}) if layout.has_keeper else {}  # those of others' queues stay there
        lost = sum(jobs.values())
        if lost and not force:
            told = ", ".join(f"{count} {state}" for state, count in jobs.items())
            raise BackendError(
                f"the pool {name} has jobs in its queue, which would be lost: {told}",
                hint="wait for them, remove them (condor_rm -all), or give --force",
            )
        if os.path.exists(layout.description):
            _end_workers(layout)
        bury(layout)
        _remove(layout)
        visits.forget(layout)
    remove_if_empty(pools_dir())
    return lost


def _end_workers(layout: Layout) -> None:
    """End the workers of a pool that has them elsewhere; its agent does that, which is started if need be."""
    from dodas.pool import pilots  # noqa: PLC0415
    from dodas.pool.agent import process  # noqa: PLC0415 - other pools have none

    if layout.alive or not layout.has_keeper:
        process.start(layout.name)
    if not process.end(layout.name, seconds=_WORKERS):
        raise BackendError(
            f"the workers of the pool {layout.name} do not end", hint=f"see {layout.at('agent.log')}"
        )
    pilots.forget_all(layout.name)


def _remove(layout: Layout) -> None:
    # The definition goes first: what is left by somebody who is killed here is no pool.
    with suppress(FileNotFoundError):
        os.unlink(layout.at("pool.json"))
    remove_tree(layout.root)


def main() -> int:
    """End the pool that the argument names, if it was left."""
    try:
        take_down(sys.argv[1], if_left=True)
    except DodasError as error:
        print(f"error: {error}; {error.hint}", file=sys.stderr, flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
