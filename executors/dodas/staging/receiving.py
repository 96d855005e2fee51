"""The body of an answer into a part, hashed while it passes."""

from __future__ import annotations

from collections.abc import Callable

from dodas.errors import Corrupt
from dodas.staging.checksums import Hasher
from dodas.staging.drafts import Held
from dodas.staging.parts import Part
from dodas.staging.response import Response
from dodas.staging.values import OnProgress

# What has come is taken at once, up to so much.  It is hashed and written while the processor has it at hand:
# larger buffers, or a thread for the hash, have been measured to cost more.
_BLOCK = 256 << 10


def receive(
    response: Response,
    part: Part | Held,
    hasher: Hasher,
    progress: OnProgress,
    *,
    start: int,
    total: int | None,
    enough: Callable[[int], bool] = lambda end: False,
) -> int:
    """Write the body at ``start``; return where it ends, or how far it is when ``enough`` says so.

    Raises:
        StorageUnreachable: It broke off; what has come is in the part.
        Corrupt: It goes on beyond the end of the file.
        TransferError: The disk does not take it.
    """
    buffer = memoryview(bytearray(min(_BLOCK, max(1, response.length or _BLOCK))))
    end = start
    while count := response.readinto(buffer):
        block = buffer[:count]
        if total is not None and end + count > total:
            raise Corrupt(f"{response.endpoint} is longer than it says")
        part.write(block, end)
        hasher.update(block)
        end += count
        progress(end, total)
        if enough(end):
            break
    return end
