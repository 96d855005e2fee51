"""Ports of loopback that nothing else takes, also while a server is down for a moment."""

from __future__ import annotations

import random
import socket
import time
from collections.abc import Callable
from pathlib import Path

FIRST, LAST = 12_000, 32_000  # below those that the kernel gives to connections


def free_port() -> int:
    """Return a port of 127.0.0.1 that nothing listens on."""
    while True:
        port = random.randrange(FIRST, LAST)
        with socket.socket() as candidate:
            candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                candidate.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def answers(place: int | Path) -> bool:
    """Tell whether something listens on a port of 127.0.0.1, or on a socket of the file system."""
    with socket.socket(socket.AF_UNIX if isinstance(place, Path) else socket.AF_INET) as probe:
        probe.settimeout(5)
        return probe.connect_ex(str(place) if isinstance(place, Path) else ("127.0.0.1", place)) == 0


def until(done: Callable[[], bool], *, what: str, seconds: float = 60) -> None:
    """Wait for what nothing tells of; ``what`` is named if it does not come."""
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, f"waited {seconds} s for {what}"
        time.sleep(0.02)
