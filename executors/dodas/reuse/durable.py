"""What was written gets to the disk, soon and in the background."""

from __future__ import annotations

import ctypes
import os
import threading
from contextlib import suppress


class Durable:
    """Has a file system write down what it holds in memory, once for all that came meanwhile.

    Nobody waits for it: with ten thousand short steps, an ``fsync`` of each file would take longer than the
    steps.  What a failure of power takes with it is found by its checksum, and made again.

    Args:
        path: A directory of the file system.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._wanted = threading.Event()
        self._ended = False
        self._thread: threading.Thread | None = None

    def want(self) -> None:
        """Have all that was written until now on the disk, some time later."""
        self._wanted.set()
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="dodas-durable", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Wait until all is there."""
        self._ended = True
        self._wanted.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _work(self) -> None:
        while True:
            self._wanted.wait()
            self._wanted.clear()
            ended = self._ended  # if so, all that will ever be wanted comes with this one
            with suppress(OSError):
                _sync(self._path)
            if ended:
                return


def _sync(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        ctypes.CDLL(None).syncfs(descriptor)
    except AttributeError:  # a C library that has none
        os.sync()
    finally:
        os.close(descriptor)
