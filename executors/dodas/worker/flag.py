"""A descriptor that is readable while a flag is up, to wake who waits for several things at once."""

from __future__ import annotations

import os


class Flag:
    """Up or down; raised and lowered by any thread, one at a time."""

    def __init__(self) -> None:
        # Python 3.9 has no eventfd(2); a pipe is two descriptors for one.
        if hasattr(os, "eventfd"):
            self._reader = self._writer = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        else:
            self._reader, self._writer = os.pipe()

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._reader < 0

    def fileno(self) -> int:
        """Return the descriptor to wait for."""
        return self._reader

    def set_up(self) -> None:
        """Raise the flag; it may be up."""
        os.write(self._writer, (1).to_bytes(8, "little"))

    def take_down(self) -> None:
        """Lower the flag, which must be up."""
        os.read(self._reader, 4096)

    def close(self) -> None:
        """Give the descriptor back.  May be repeated."""
        for descriptor in {self._reader, self._writer} - {-1}:
            os.close(descriptor)
        self._reader = self._writer = -1
