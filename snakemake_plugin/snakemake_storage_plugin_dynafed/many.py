"""Many transfers at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from functools import partial

_AT_ONCE = 8


def at_once(transfer: Callable[[str, str], None], pairs: Iterable[tuple[str, str]]) -> None:
    """Call ``transfer`` for all ``pairs``, a few at a time, and take no more once one has failed.

    Raises:
        Exception: What the first one that failed has raised.
    """
    threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="dynafed-directory")
    try:
        running: set[Future[None]] = set()
        for pair in pairs:
            if len(running) >= 2 * _AT_ONCE:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                _check(done)
            running.add(threads.submit(partial(copy_context().run, transfer, *pair)))
        _check(wait(running).done)
    finally:
        threads.shutdown(cancel_futures=True)


def _check(done: Iterable[Future[None]]) -> None:
    for one in done:
        one.result()
