"""What a step that is over made for its outputs."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Callable, Iterator

from dodas.step import Output
from dodas.values import dataclass

_MAGIC = re.compile(r"[*?[]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A file or directory.

    Attributes:
        path: Where it is on this machine.
        destination: Where it belongs, or the directory in which it does.
        below: Its path in that directory; empty if ``destination`` is its own.
    """

    path: str
    destination: str
    below: str = ""


def made(output: Output, place: Callable[[str], str | None]) -> Iterator[Made]:
    """Yield what there is of an output.

    Args:
        output: A path, or a pattern that may have several matches.
        place: Returns where a path of the step is on this machine; ``None``: nowhere.
    """
    whole = place(output.path)
    if whole is not None and os.path.lexists(whole):
        yield Made(path=whole, destination=output.destination)
        return
    folder, pattern = split(output.path)
    top = place(folder) if pattern else None
    if top is None:
        return
    from glob import escape, glob  # noqa: PLC0415 - seldom needed

    matches = sorted(glob(os.path.join(escape(top), pattern)))
    ending = f"/{pattern}"
    for match in matches:
        below = match[len(top) + 1 :]
        if output.destination.endswith(ending):
            yield Made(path=match, destination=output.destination[: -len(ending)], below=below)
        else:
            many = len(matches) > 1
            yield Made(path=match, destination=output.destination, below=below if many else "")


def split(path: str) -> tuple[str, str]:
    """Return the directory and the pattern below it; no pattern if there is nothing special in ``path``."""
    parts = path.split("/")
    for number, part in enumerate(parts):
        if _MAGIC.search(part):
            return "/".join(parts[:number]) or "/", "/".join(parts[number:])
    return posixpath.dirname(path), ""
