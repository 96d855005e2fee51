"""What the daemons of a pool write."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress

from dodas.errors import SpecError
from dodas.pool.layout import HEAD, NODE, Layout
from dodas.pool.look import tail
from dodas.pool.waiting import Changes

_FILES = {
    "agent": "agent.log",
    "collector": "CollectorLog",
    "keeper": "keeper.log",
    "master": "MasterLog",
    "negotiator": "NegotiatorLog",
    "printed": "printed",
    "schedd": "SchedLog",
    "shadow": "ShadowLog",
    "shared_port": "SharedPortLog",
    "startd": "StartLog",
    "starter": "StarterLog",
}


class Logs:
    """The log files of a pool.

    Args:
        layout: The pool.
        daemon: Whose, without ``condor_``; empty for all.

    Raises:
        SpecError: There is no such daemon.
    """

    def __init__(self, layout: Layout, daemon: str) -> None:
        name = daemon.removeprefix("condor_").lower()
        if name and name not in _FILES:
            raise SpecError(
                f"no daemon of a pool is called {daemon!r}", hint=f"choose one of: {', '.join(_FILES)}"
            )
        self._layout = layout
        self._wanted = (_FILES[name],) if name else tuple(_FILES.values())
        self._changes: Changes | None = None
        self._read: dict[str, int] = {}

    def last(self, lines: int) -> Iterator[tuple[str, str]]:
        """Yield the last lines of each log, with what it is called; what comes later is for :meth:`wait`."""
        for path in self._paths():
            self._read[path] = os.path.getsize(path)
            for line in tail(path, lines):
                yield self._called(path), line

    def wait(self) -> Iterator[tuple[str, str]]:
        """Wait until something is written, and yield it."""
        if self._changes is None:
            self._changes = Changes(self._directories())
        self._changes.until(self._is_more, seconds=3600, process=-1)
        for path in self._paths():
            yield from ((self._called(path), line) for line in self._more(path))

    def _is_more(self) -> bool:
        with suppress(FileNotFoundError):  # one is being rotated: look again
            return any(os.path.getsize(path) != self._read.get(path, 0) for path in self._paths())
        return True

    def _more(self, path: str) -> list[str]:
        with suppress(FileNotFoundError), open(path, "rb") as file:
            start = self._read.get(path, 0)
            file.seek(start if start <= os.fstat(file.fileno()).st_size else 0)  # it may have been rotated
            text = file.read()
            whole = text[: text.rfind(b"\n") + 1] or text
            self._read[path] = file.tell() - len(text) + len(whole)
            return whole.decode(errors="replace").splitlines()
        return []

    def _directories(self) -> list[str]:
        return [self._layout.root, *(self._layout.at(part, "log") for part in (HEAD, NODE))]

    def _paths(self) -> Iterator[str]:
        for directory in self._directories():
            with suppress(FileNotFoundError):
                for name in sorted(os.listdir(directory)):
                    if name.split(".slot")[0] in self._wanted and not name.endswith(".old"):
                        yield os.path.join(directory, name)

    def _called(self, path: str) -> str:
        return os.path.relpath(path, self._layout.root).replace("/log/", "/")
