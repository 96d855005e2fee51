"""Work done ahead in a thread: decompression and checksums leave the interpreter's lock to others."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_DEPTH = 16  # pieces of at most a mebibyte


@contextmanager
def ahead(pieces: Iterator[bytes]) -> Iterator[Iterator[bytes]]:
    """Yield an iterator over ``pieces`` that another thread is running; its errors arrive in order.

    Leaving the context early stops the thread, and it is gone when the context is left.
    """
    line: queue.Queue[bytes | BaseException | None] = queue.Queue(_DEPTH)
    stop = threading.Event()
    thread = threading.Thread(target=_run, args=(pieces, line, stop), name="dodas-unpack", daemon=True)
    thread.start()
    try:
        yield _received(line)
    finally:
        stop.set()
        while thread.is_alive():
            _empty(line)
            thread.join(0.01)


def _run(
    pieces: Iterator[bytes], line: queue.Queue[bytes | BaseException | None], stop: threading.Event
) -> None:
    try:
        for piece in pieces:
            if stop.is_set():
                return
            line.put(piece)
        line.put(None)
    except BaseException as error:
        line.put(error)


def _received(line: queue.Queue[bytes | BaseException | None]) -> Iterator[bytes]:
    while (piece := line.get()) is not None:
        if isinstance(piece, BaseException):
            raise piece
        yield piece


def _empty(line: queue.Queue[bytes | BaseException | None]) -> None:
    try:
        while True:
            line.get_nowait()
    except queue.Empty:
        return
