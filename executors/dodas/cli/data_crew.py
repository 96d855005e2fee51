"""Many things at once, by a bounded number of threads; what fails stops nothing else."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterable
from queue import SimpleQueue
from typing import Generic, TypeVar

from dodas.cli.data_ends import as_failure
from dodas.errors import DodasError

_PACE = 0.003  # seconds
_PATIENCE = 3.0  # seconds that those at work have to tidy up after Ctrl-C

Item = TypeVar("Item")
Result = TypeVar("Result")


class Crew(Generic[Item, Result]):
    """Does ``do(item)`` for many items.

    Args:
        do: What is to be done.
        at_once: How many threads do it.
        ahead: How many items are known before they are begun.

    Attributes:
        stopping: Whether what runs is to end; :meth:`check` raises then.
    """

    def __init__(self, do: Callable[[Item], Result], *, at_once: int, ahead: int = 0) -> None:
        self._do = do
        self._at_once = max(1, at_once)
        self._ahead = max(ahead, 2 * self._at_once)
        self._todo: SimpleQueue[Item | None] = SimpleQueue()
        self._over: SimpleQueue[tuple[Item, Result | BaseException]] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self.stopping = False

    def check(self) -> None:
        """Raise if the command was interrupted; for what an item calls now and then."""
        if self.stopping:
            raise KeyboardInterrupt

    def each(self, items: Iterable[Item]) -> Generator[tuple[Item, Result | DodasError], None, None]:
        """Yield each item with what came of it, in the order in which they are over.

        ``items`` is read in this thread, no faster than they are done, but for those known ahead.
        """
        under_way = 0
        try:
            for item in items:
                self._begin(item)
                under_way += 1
                while under_way >= self._ahead or (under_way and not self._over.empty()):
                    yield self._next()
                    under_way -= 1
            for _ in range(under_way):
                yield self._next()
        except BaseException:
            self.stopping = True
            raise
        finally:
            self._dismiss()

    def _begin(self, item: Item) -> None:
        self._todo.put(item)
        if len(self._threads) < self._at_once:
            # Daemons: one that waits for a server that does not answer keeps nobody from leaving.
            self._threads.append(threading.Thread(target=self._work, daemon=True))
            self._threads[-1].start()

    def _work(self) -> None:
        while (item := self._todo.get()) is not None and not self.stopping:
            try:
                self._over.put((item, self._do(item)))
            except BaseException as error:  # the main thread raises or tells it
                self._over.put((item, error))

    def _next(self) -> tuple[Item, Result | DodasError]:
        if self._over.empty():
            # Whoever is woken takes the processor from those at work, so let some come.
            time.sleep(_PACE)
        item, result = self._over.get()
        if isinstance(result, OSError):
            return item, as_failure(result)
        if isinstance(result, BaseException) and not isinstance(result, DodasError):
            raise result
        return item, result

    def _dismiss(self) -> None:
        for _ in self._threads:
            self._todo.put(None)
        deadline = time.monotonic() + _PATIENCE
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
