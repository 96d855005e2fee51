"""Collects children and adds up what they used: the kernel's own sum never begins anew."""

from __future__ import annotations

import os


class Reaper:
    """Waits for children of this process.

    Attributes:
        cpu: Processor seconds of those collected, and of what they had collected.
        peak: The most memory, in bytes, that one of them had.
    """

    def __init__(self) -> None:
        self.cpu = 0.0
        self.peak = 0

    def wait(self, pid: int, options: int) -> tuple[int, int]:
        """Collect as :func:`os.waitpid` does."""
        pid, status, used = os.wait4(pid, options)
        if pid:
            self.cpu += used.ru_utime + used.ru_stime
            self.peak = max(self.peak, used.ru_maxrss << 10)
        return pid, status
