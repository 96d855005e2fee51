"""What a run knows of its steps beyond its own life."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any


class Memory:
    """An append-only file of JSON lines, read once.

    Each line is written at once, so that whoever is killed has either said a thing or not.
    """

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._known: dict[tuple[str, str], Any] = {}
        with os.fdopen(os.dup(self._file), "rb") as lines:
            for line in lines:
                with suppress(ValueError):  # the last one, cut short
                    key, what, value = json.loads(line)
                    self._known[key, what] = value
        if self._known:
            os.write(self._file, b"\n")  # ends a line that was cut short

    def count(self, what: str) -> int:
        """Return of how many steps ``what`` is known from an earlier life."""
        return sum(known == what for _, known in self._known)

    def recall(self, key: str, what: str) -> Any:
        """Return what was noted; ``None`` if nothing was."""
        return self._known.get((key, what))

    def note(self, key: str, what: str, value: Any) -> None:
        """Write down something for a later life.

        Raises:
            OSError: The disk does not take it.
        """
        text = json.dumps([key, what, value]).encode() + b"\n"
        while text:
            text = text[os.write(self._file, text) :]

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """The directories of one step, and what an earlier life of the run knows of it.

    Attributes:
        key: Names the work; empty where nothing is remembered.
        label: What people call it.
        outdir: Its output directory.
        tmpdir: Its temporary directory.
        stagedir: Directory for inputs, where the step sees the paths of the host.
        memory: Where the run notes things.
    """

    key: str = ""
    label: str = ""
    outdir: str = ""
    tmpdir: str = ""
    stagedir: str = ""
    memory: Memory | None = None

    def recall(self, what: str) -> Any:
        """Return what was noted of the step; ``None`` if nothing was."""
        return None if self.memory is None else self.memory.recall(self.key, what)

    def note(self, what: str, value: Any) -> None:
        """Write down something of the step, where the run is remembered at all."""
        if self.memory is not None:
            self.memory.note(self.key, what, value)

    def once(self, what: str, make: Callable[[], Any]) -> Any:
        """Return what was noted, or else what ``make`` returns, after noting it."""
        known = self.recall(what)
        if known is None:
            known = make()
            self.note(what, known)
        return known
