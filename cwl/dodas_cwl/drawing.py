"""A workflow as a picture: what ``--print-dot`` says of it, drawn by Graphviz."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from dodas.errors import SpecError

_KINDS = ("svg", "png", "pdf", "dot")


@contextmanager
def drawn(path: str) -> Iterator[TextIO]:
    """Take what is printed of a workflow in the language of Graphviz, and make a picture of it.

    Args:
        path: The picture; its suffix says of which kind.  Empty: nothing is drawn, and all goes to standard
            output.

    Raises:
        SpecError: There is no such kind, no Graphviz, or no place for the picture.
    """
    if not path:
        yield sys.stdout
        return
    kind = os.path.splitext(path)[1][1:].lower()
    if kind not in _KINDS:
        raise SpecError(f"no picture can be made as {path}", hint=f"end its name in .{', .'.join(_KINDS)}")
    program = shutil.which("dot")
    if program is None and kind != "dot":
        raise SpecError(
            "pictures are drawn by Graphviz, and there is no `dot` on PATH",
            hint="install graphviz, or take --print-dot and draw it elsewhere",
        )
    text = io.StringIO()
    yield text
    if text.getvalue():
        _write(path, kind, program, text.getvalue())


def _write(path: str, kind: str, program: str | None, text: str) -> None:
    picture = text.encode()
    if program is not None and kind != "dot":
        done = subprocess.run([program, f"-T{kind}"], input=picture, capture_output=True, check=False)
        if done.returncode != 0:
            raise SpecError(
                f"Graphviz cannot draw it: {done.stderr.decode(errors='replace').strip()}",
                hint="take --print-dot to see what it was given",
            )
        picture = done.stdout
    try:
        with open(path, "wb") as file:
            file.write(picture)
    except OSError as error:
        raise SpecError(
            f"the picture cannot be written to {path}: {error.strerror}",
            hint="name a place that can be written",
        ) from error
