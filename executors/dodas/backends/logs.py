"""Where the standard streams of steps go that say nothing else."""

from __future__ import annotations

import os
import re

_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_KEPT, _MARK = 40, 10


def folder(step_id: str) -> str:
    """Return a file name for a step's directory: short, safe in a shell, its own.

    Simple ids are kept; others keep what can be kept, and a mark from the whole id.
    """
    if _PLAIN.fullmatch(step_id):
        return step_id
    import hashlib  # noqa: PLC0415 - takes milliseconds, and most ids are plain

    mark = hashlib.sha256(step_id.encode(errors="surrogateescape")).hexdigest()[:_MARK]
    words = re.sub(r"[^A-Za-z0-9._]+", "-", step_id[: 2 * _KEPT]).strip("-.")[:_KEPT]
    return f"{words}-{mark}" if words else mark


class Logs:
    """The directory with one directory for each step in it; made when the first step needs it."""

    def __init__(self, base: str) -> None:
        self.base = os.path.abspath(base)

    def streams(self, step_id: str) -> tuple[str, str]:
        """Make the step's directory and return the paths of its standard output and error.

        Raises:
            OSError: The directory cannot be made.
        """
        place = os.path.join(self.base, folder(step_id))
        try:
            os.mkdir(place)
        except FileExistsError:
            pass
        except FileNotFoundError:
            os.makedirs(place, exist_ok=True)
        return os.path.join(place, "stdout"), os.path.join(place, "stderr")
