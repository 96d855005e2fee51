"""Steps of this machine that finished, for a run that comes after a kill.

Snakemake records jobs when it gets round to it, many at once.  Whoever kills it in between leaves jobs that
are done and not known to be.  So each step that finishes is noted by its identity, at once and by the process
that looks after it, which outlives the kill for long enough (:attr:`dodas.containers.launch.Launch.note`).
How the next run recognises one of them is said in :mod:`.identity`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import fields

from dodas.containers.launch import Outcome
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
        self._usages = dict(_read(path))
        self._words: dict[str, str] = {}

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

    def expect(self, steps: Sequence[Step]) -> None:
        """Get ready for the start of ``steps``."""
        self._words.update((step.id, step.identity) for step in steps if step.identity)

    def note(self, step: str) -> tuple[str, str] | None:
        """Return what the launch of a step has to note, once; ``None`` if nobody could take it over."""
        word = self._words.pop(step, "")
        return (self._path, word) if word else None

    def close(self, *, recorded: bool) -> None:
        """End the notes; they go if Snakemake has ``recorded`` all jobs that finished."""
        if recorded:
            with suppress(FileNotFoundError):
                os.remove(self._path)


# What a supervisor knows; sizes of memory that only who watches it sees are not noted.
_USAGE = tuple({field.name for field in fields(Usage)} & {field.name for field in fields(Outcome)})


def _read(path: str) -> list[tuple[str, Usage]]:
    found = []
    with suppress(FileNotFoundError), open(path, encoding="utf-8") as file:
        for line in file:
            # The last line may be cut off, by a full disk.
            with suppress(ValueError, TypeError, KeyError):
                identity, outcome = json.loads(line)
                found.append((str(identity), Usage(**{name: outcome[name] for name in _USAGE})))
    return found


def _has_outputs(step: Step) -> bool:
    return all(os.path.lexists(output.destination) for output in step.outputs if not output.optional)
