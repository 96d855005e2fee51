"""Transfers beside the event loop.

Snakemake awaits what it asks of storage, and asks for many files at once.  The interface answers in the event
loop itself, so that one file would wait for the other.  Here each answer has a thread.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar, copy_context
from typing import TypeVar

T = TypeVar("T")

_stop: ContextVar[threading.Event | None] = ContextVar("dodas_stop", default=None)


class Abandoned(Exception):
    """Nobody waits for the transfer any more."""


class Aside:
    """Runs coroutines in threads, at most ``at_once`` at a time."""

    def __init__(self, at_once: int) -> None:
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix="dynafed")

    async def run(self, make: Callable[[], Coroutine[None, None, T]]) -> T:
        """Return what the coroutine that ``make`` makes returns.

        If this is cancelled, so is the transfer: at its next piece of progress, see :func:`heed`.
        """
        stop = threading.Event()
        context = copy_context()
        context.run(_stop.set, stop)
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self._threads, lambda: context.run(lambda: asyncio.run(make()))
            )
        except asyncio.CancelledError:
            stop.set()
            raise


def is_aside() -> bool:
    """Return whether the caller runs in one of the threads."""
    return _stop.get() is not None


def heed() -> Callable[[int, int | None], None]:
    """Return what is to be told about progress; it ends the transfer if nobody waits for it."""
    stop = _stop.get()

    def progress(done: int, total: int | None) -> None:
        if stop is not None and stop.is_set():
            raise Abandoned("the run was interrupted")

    return progress
