"""A terminal that a test looks at."""

from __future__ import annotations

import fcntl
import os
import struct
import termios
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO


@contextmanager
def terminal(rows: int, columns: int) -> Iterator[tuple[TextIO, bytearray]]:
    """Yield the writing end of a terminal, and what was shown on it, complete after the end."""
    master, slave = os.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    shown = bytearray()

    def read() -> None:
        while True:
            try:
                part = os.read(master, 1 << 16)
            except OSError:
                return
            shown.extend(part)

    reader = threading.Thread(target=read)
    reader.start()
    with open(slave, "w", encoding="utf-8") as out:
        yield out, shown
    reader.join()
    os.close(master)
