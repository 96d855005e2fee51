"""Waiting until a pool's daemons are ready to take and run jobs."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from contextlib import suppress

from dodas.errors import BackendError
from dodas.pool.layout import HEAD, NODE, Layout
from dodas.pool.look import tail
from dodas.pool.waiting import Changes

_PATIENCE = 90.0  # seconds; it takes two or three
_QUEUE = (b"ScheddAd     : Inserting",)
_SLOT = (b"MachineSlotAd: Inserting", b"StartdAd     : Inserting")  # since HTCondor 24, and before


class CollectorLog:
    """What the collector writes from now on; it notes everybody who reports to it for the first time.

    Args:
        layout: The pool.
        slot: Whether there is to be a place to run.
    """

    def __init__(self, layout: Layout, *, slot: bool = True) -> None:
        self._slot = slot
        self.path = layout.at(HEAD, "log", "CollectorLog")
        self._old = os.path.getsize(self.path) if os.path.exists(self.path) else 0

    def knows_queue_and_slot(self) -> bool:
        """Return whether there is a queue, and a place to run."""
        with suppress(FileNotFoundError), open(self.path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(self._old if size >= self._old else 0)  # it may have been rotated
            text = file.read()
            return any(word in text for word in _QUEUE) and (
                not self._slot or any(word in text for word in _SLOT)
            )
        return False


def await_ready(layout: Layout, log: CollectorLog, keeper: subprocess.Popen[bytes]) -> None:
    """Return when the collector knows the queue and a slot.

    Raises:
        BackendError: That did not happen.
    """
    _await(layout, layout.at(HEAD, "log"), log.knows_queue_and_slot, keeper.pid)


def await_node(layout: Layout, keeper: int) -> None:
    """Return when the node's daemon listens.

    Raises:
        BackendError: That did not happen.
    """
    address = layout.at(NODE, "run", "startd.address")
    _await(layout, layout.at(NODE, "run"), lambda: os.path.exists(address), keeper)


def _await(layout: Layout, directory: str, done: Callable[[], bool], keeper: int) -> None:
    with suppress(ProcessLookupError):
        process = os.pidfd_open(keeper)
        changes = Changes([directory])
        try:
            if changes.until(done, seconds=_PATIENCE, process=process):
                return
        finally:
            changes.close()
            os.close(process)
    ended = not layout.alive
    what = "HTCondor ended while it started" if ended else f"HTCondor was not ready after {_PATIENCE:.0f} s"
    raise BackendError(
        "\n  ".join((f"{what}; the last it said:", *_last_words(layout))),
        hint=f"see its logs: dodas pool logs {layout.name}",
    )


def _last_words(layout: Layout) -> list[str]:
    said = tail(layout.at("keeper.log"), 4)
    for part in (HEAD, NODE):
        for name in ("printed", "MasterLog"):
            said += tail(layout.at(part, "log", name), 6)
    return said
