"""Files that nobody ever sees in part: made aside, and given their name when they are complete."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO

_FLAGS = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@contextmanager
def written(path: str, *, mode: int = 0o600, lasting: bool = False, aside: str = "") -> Iterator[BinaryIO]:
    """Yield a new file that is at ``path`` when the block has ended, in place of what was there.

    If the block fails, what was there stays.  A reader finds the one or the other, and of several writers
    the last one's.

    Args:
        path: Its directory must exist.
        mode: Permissions, less those that the umask takes away.
        lasting: Whether a power cut must not be able to leave an empty file.
        aside: Where it is made, on the same file system; by default beside its place.

    Raises:
        OSError: The disk does not take it.
    """
    aside = aside or f"{path}.{os.urandom(8).hex()}"
    try:
        with open(os.open(aside, _FLAGS, mode), "w+b") as file:
            yield file
            if lasting:
                file.flush()
                os.fsync(file.fileno())
        os.replace(aside, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(aside)
        raise


def write(
    path: str, content: bytes | str, *, mode: int = 0o600, lasting: bool = False, aside: str = ""
) -> None:
    """Write a file; see :func:`written`.  Text becomes UTF-8, file names in it what they were.

    Raises:
        OSError: The disk does not take it.
    """
    with written(path, mode=mode, lasting=lasting, aside=aside) as file:
        file.write(content.encode("utf-8", "surrogateescape") if isinstance(content, str) else content)
