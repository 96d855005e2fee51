"""Images made ready for steps: each once, two at a time, held while the backend lives."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from typing import Union

from dodas.backends.crew import Crew
from dodas.backends.words import size
from dodas.containers.prepared import PreparedRoot
from dodas.containers.progress import OnProgress, Progress
from dodas.errors import DodasError
from dodas.values import dataclass

_AT_ONCE = 2
_EVERY = 0.5  # seconds between two words of progress
_PATIENCE = 10.0  # seconds that closing waits for a preparation to notice


@dataclass(frozen=True, slots=True)
class Word:
    """How far the image ``name`` is."""

    name: str
    what: str


@dataclass(frozen=True, slots=True)
class Ready:
    """The image ``name`` is at ``root``, for ``engine``; nobody removes it before the end."""

    name: str
    root: PreparedRoot
    engine: str


@dataclass(frozen=True, slots=True)
class Failed:
    """The image ``name`` cannot be had; a sentence says why."""

    name: str
    problem: str


ImageNews = Union[Word, Ready, Failed]  # noqa: UP007 - evaluated, and nodes may have 3.9
Use = Callable[[str, OnProgress], AbstractContextManager[PreparedRoot]]


class _Abandoned(Exception):
    """Nobody wants the image any more."""


class Images:
    """Prepares images in threads of its own.

    Args:
        use: Makes one image ready, slowly, and keeps the collector away from it while its context lasts.
        engine: Says which engine runs containers, slowly the first time.
        tell: Is given the news, in those threads; must not block.
    """

    def __init__(
        self,
        use: Use,
        engine: Callable[[], str],
        tell: Callable[[ImageNews], None],
    ) -> None:
        self._use = use
        self._choose = engine
        self._tell = tell
        self._crew = Crew("dodas-image", _AT_ONCE)
        self._held = ExitStack()
        self._choosing = threading.Lock()
        self._mutex = threading.Lock()
        self._closed = False

    def want(self, name: str) -> None:
        """Have the image ``name`` prepared; exactly one :class:`Ready` or :class:`Failed` follows."""
        self._crew.do(lambda: self._tell(self._result(name)))

    def close(self) -> None:
        """Give up what is under way and let go of all roots.  May be repeated."""
        self._closed = True
        self._crew.close(_PATIENCE)
        with self._mutex:
            self._held.close()

    def _result(self, name: str) -> ImageNews:
        try:
            return self._make_ready(name)
        except DodasError as error:
            hint = f"; {error.hint}" if error.hint else ""
            return Failed(name, f"{error}{hint}")
        except _Abandoned:
            return Failed(name, "no longer wanted")
        except Exception as error:
            # Whatever it is, the steps that wait must hear of it.
            return Failed(name, f"cannot prepare the image {name}: {type(error).__name__}: {error}")

    def _make_ready(self, name: str) -> Ready:
        with self._choosing:
            engine = self._choose()
        with ExitStack() as held:
            progress = _Throttled(name, self._tell, self._give_up_if_closed)
            root = held.enter_context(self._use(name, progress))
            with self._mutex:
                self._give_up_if_closed()
                self._held.push(held.pop_all())
        return Ready(name, root, engine)

    def _give_up_if_closed(self) -> None:
        if self._closed:
            raise _Abandoned


class _Throttled:
    """Passes on a word of progress now and then."""

    def __init__(self, name: str, tell: Callable[[ImageNews], None], check: Callable[[], None]) -> None:
        self._name = name
        self._tell = tell
        self._check = check
        self._next = 0.0

    def __call__(self, progress: Progress) -> None:
        self._check()
        now = time.monotonic()
        if now >= self._next:
            self._next = now + _EVERY
            self._tell(Word(self._name, _sentence(progress)))


def _sentence(progress: Progress) -> str:
    if progress.total:
        return f"{progress.what}: {100 * progress.done // progress.total} % of {size(progress.total)}"
    return f"{progress.what}: {size(progress.done)}" if progress.done else progress.what
