"""What has been learned of servers, remembered for as long as it is likely to hold."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from enum import Enum

from dodas.staging.urls import Url

_LONG = 600.0  # seconds; what a server is does not change from one minute to the next
_DEAD = 60.0


class Manner(Enum):
    """Something that a server does or does not do."""

    # There is one of each, so where it is tells it apart; that of enumerations is in Python.
    __hash__ = object.__hash__

    DEAD = "does not answer"
    METALINK = "names the replicas of files"
    DIGESTS = "tells the checksums of files"
    REDIRECTS = "has others store files"
    WHOLE = "shows what is put only when it is complete, and heeds If-None-Match"
    XROOTD = "is XRootD, which has its own way with names"
    MOVES = "renames files"
    COPIES = "copies from and to other servers"
    ONE_BY_ONE = "must not be asked for several checksums at a time"


class Manners:
    """The memory of one client; safe to use from any thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._turns: dict[str, threading.Lock] = {}
        self._known: dict[tuple[str, Manner], tuple[bool, float]] = {}

    def learn(self, url: Url, manner: Manner, does: bool) -> None:
        """Remember whether the server of ``url`` does something."""
        until = self._clock() + (_DEAD if manner is Manner.DEAD else _LONG)
        self._known[url.authority, manner] = (does, until)

    def known(self, url: Url, manner: Manner) -> bool | None:
        """Return whether the server of ``url`` does it; ``None`` if that is not known, or no longer."""
        found = self._known.get((url.authority, manner))
        return found[0] if found is not None and found[1] > self._clock() else None

    def is_dead(self, url: Url) -> bool:
        """Tell whether the server of ``url`` did not answer lately."""
        return self.known(url, Manner.DEAD) is True

    def turn(self, url: Url) -> threading.Lock:
        """Return the lock of those who ask the server of ``url`` one after the other."""
        with self._lock:
            return self._turns.setdefault(url.authority, threading.Lock())
