"""Reading and hashing beside the network: in another thread, over a few buffers, so that neither waits."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from queue import SimpleQueue

from dodas.staging.checksums import Hasher

BLOCK = 256 << 10
_BUFFERS = 8
WORTH_IT = 16 * BLOCK  # bytes; for fewer, a thread costs more than it saves


def read_ahead(read: Callable[[memoryview, int], int], size: int, hasher: Hasher) -> Iterator[memoryview]:
    """Yield what ``read`` reads, hashed, and read on meanwhile; each block is valid until the next one.

    Args:
        read: Fills a buffer, or a part of it, with what is at an offset; returns how much, 0 at the end.
        size: Bytes to read.
        hasher: Used by nobody else meanwhile.
    """
    free: SimpleQueue[memoryview | None] = SimpleQueue()
    full: SimpleQueue[memoryview | BaseException | None] = SimpleQueue()
    for _ in range(_BUFFERS):
        free.put(memoryview(bytearray(BLOCK)))
    thread = threading.Thread(target=_fill, args=(read, size, hasher, free, full), daemon=True)
    thread.start()
    try:
        while (block := full.get()) is not None:
            if isinstance(block, BaseException):
                raise block
            yield block
            free.put(memoryview(block.obj))
    finally:
        free.put(None)
        thread.join()


def _fill(
    read: Callable[[memoryview, int], int],
    size: int,
    hasher: Hasher,
    free: SimpleQueue[memoryview | None],
    full: SimpleQueue[memoryview | BaseException | None],
) -> None:
    done = 0
    try:
        while done < size:
            buffer = free.get()
            if buffer is None:
                return
            count = read(buffer[: size - done], done)
            if not count:
                break
            hasher.update(buffer[:count])
            done += count
            full.put(buffer[:count])
    except BaseException as error:  # raised in the thread that waits for the blocks
        full.put(error)
    full.put(None)
