"""Steps of this machine that finished, for a run that comes after a kill.

Snakemake records jobs when it gets round to it, many at once.  Whoever kills it in between leaves jobs that
are done and not known to be.  So each step that finished is noted here at once, by its identity, before
Snakemake is told.  How the next run recognises one of them is said in :mod:`.identity`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import asdict

from dodas.step import Result, Step, Usage


class Finished:
    """The notes of this run, and what those of earlier ones say that were killed.

    It is the local backend's :class:`~snakemake_executor_plugin_dodas.backends.Past`: nothing goes on there
    after a kill, so what can be taken over is what finished.

    Args:
        path: The file for notes.  It is made with the first one.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._file: int | None = None
        self._usages = dict(_read(path))

    def known(self, steps: Sequence[Step]) -> Collection[str]:
        """Return the ids of steps that finished in an earlier run and whose outputs are still there."""
        return [step.id for step in steps if step.identity in self._usages and _has_outputs(step)]

    def forget(self, steps: Sequence[Step]) -> None:
        """Forget what is noted of steps that will not be asked for any more."""
        for step in steps:
            self._usages.pop(step.identity, None)

    def result(self, step: Step) -> Result | None:
        """Return how ``step`` ended in an earlier run; ``None`` if it did not finish there."""
        usage = self._usages.get(step.identity)
        return None if usage is None else Result(step=step.id, exit_code=0, usage=usage)

    def add(self, step: Step, result: Result) -> None:
        """Note that ``step`` finished well; a note that cannot be written is missed after a kill only."""
        if not step.identity:
            return
        line = json.dumps([step.identity, asdict(result.usage)], separators=(",", ":")) + "\n"
        with suppress(OSError):
            if self._file is None:
                self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
            os.write(self._file, line.encode())

    def close(self, *, recorded: bool) -> None:
        """End the notes; they go if Snakemake has ``recorded`` all jobs that finished."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
        if recorded:
            with suppress(FileNotFoundError):
                os.remove(self._path)


def _read(path: str) -> list[tuple[str, Usage]]:
    found = []
    with suppress(FileNotFoundError), open(path, encoding="utf-8") as file:
        for line in file:
            # The last line may be cut off, by a full disk.
            with suppress(ValueError, TypeError):
                identity, usage = json.loads(line)
                found.append((str(identity), Usage(**usage)))
    return found


def _has_outputs(step: Step) -> bool:
    return all(os.path.lexists(output.destination) for output in step.outputs if not output.optional)
