"""What is told of the transfers of steps."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol, Union

from dodas.backends.depot import explained
from dodas.backends.words import size
from dodas.errors import DodasError
from dodas.step import OutputFile, Step
from dodas.values import dataclass

_EVERY = 0.5  # seconds between two words of progress


@dataclass(frozen=True, slots=True)
class Word:
    """How far the transfers of a step are."""

    step: str
    what: str


@dataclass(frozen=True, slots=True)
class Fetched:
    """All inputs of a step are here; ``shown`` is the step as it can be started."""

    step: str
    shown: Step


@dataclass(frozen=True, slots=True)
class Published:
    """All outputs of a step are where they belong."""

    step: str
    files: tuple[OutputFile, ...]


@dataclass(frozen=True, slots=True)
class Failed:
    """They are not; a sentence says why."""

    step: str
    problem: str


TransferNews = Union[Word, Fetched, Published, Failed]  # noqa: UP007 - evaluated, and nodes may have 3.9


class Wanted(Protocol):
    """Transfers of one step.

    Attributes:
        over: Whether nobody needs them any more.
        silent_until: When the next word of their progress is due.
    """

    over: bool
    silent_until: float


class Abandoned(Exception):
    """Nobody wants the file any more."""


class Told:
    """Passes on a word of progress of a step now and then, and ends what nobody wants any more."""

    def __init__(self, step: str, what: str, tell: Callable[[TransferNews], None], wanted: Wanted) -> None:
        self._step = step
        self._what = what
        self._tell = tell
        self._wanted = wanted

    def __call__(self, done: int, total: int | None) -> None:
        """Take how many bytes have passed, and how many there are.

        Raises:
            Abandoned: Nobody wants them any more.
        """
        if self._wanted.over:
            raise Abandoned
        now = time.monotonic()
        if now >= self._wanted.silent_until:
            self._wanted.silent_until = now + _EVERY
            self._tell(Word(self._step, self._what + _how_far(done, total)))


def fail(wanted: Wanted, step: str, error: Exception, tell: Callable[[TransferNews], None]) -> None:
    """Tell of the first failure of a step, which ends its other transfers."""
    if not wanted.over:
        wanted.over = True
        tell(Failed(step, explained(error)))


def name_of(url: str) -> str:
    """Return what people call what is at a URL."""
    from dodas.staging import urls  # noqa: PLC0415 - not needed without URLs

    with suppress(DodasError):
        return urls.parse(url).name
    return "?"


def _how_far(done: int, total: int | None) -> str:
    if total:
        return f": {100 * done // total} % of {size(total)}"
    return f": {size(done)}" if done else ""
