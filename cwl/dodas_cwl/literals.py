"""Files that are nothing but their content until cwltool writes them among the outputs of a workflow."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from typing import Any


def make_room(outputs: Any, outdir: str) -> None:
    """Remove what an earlier run has left in place of such files, which then get written anew.

    cwltool leaves them read-only, so that nobody but root could run a workflow twice into one directory.

    Args:
        outputs: The output object of the workflow.
        outdir: The directory for its files.
    """
    for path in _written(outputs, outdir):
        if not os.access(path, os.W_OK):
            with suppress(OSError):  # then the writing says what is the matter
                os.unlink(path)


def _written(value: Any, place: str) -> Iterator[str]:
    """Yield where the content of files will be written."""
    if isinstance(value, list):
        for item in value:
            yield from _written(item, place)
    elif isinstance(value, dict):
        if value.get("class") not in ("File", "Directory"):
            for item in value.values():
                yield from _written(item, place)
            return
        path = os.path.join(place, str(value.get("basename", "")))
        if value["class"] == "File" and "contents" in value and os.path.isfile(path):
            yield path
        yield from _written(value.get("secondaryFiles", []), place)
        yield from _written(value.get("listing", []), path)
