"""Workers of a simulated pool."""

from __future__ import annotations

from dataclasses import dataclass

CORES, MOST = 8, 40


@dataclass(slots=True)
class Node:
    """A worker; seconds since the beginning."""

    number: int
    asked: float
    boots: float
    idle_since: float
    free: int = CORES
    running: int = 0
    draining: bool = False

    def joined(self, now: float) -> bool:
        """Return whether it is in the pool."""
        return now >= self.asked + self.boots
