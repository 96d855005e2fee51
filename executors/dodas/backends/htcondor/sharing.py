"""Whether the nodes of a pool see the disk of the submit side.  Pure."""

from __future__ import annotations

from collections.abc import Sequence

from dodas.backends.htcondor.scheduler import Slot


def is_shared(ours: str, slots: Sequence[Slot]) -> bool:
    """Return whether all nodes say that they do, by their FileSystemDomain.

    To a pool of which only some do, or nothing is known, everything is brought, which works everywhere.
    """
    return bool(slots) and all(slot.files.lower() == ours.lower() for slot in slots)


def cores(slots: Sequence[Slot]) -> int:
    """Return the processors of a pool."""
    return sum(slot.cores for slot in slots)
