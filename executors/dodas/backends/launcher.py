"""The worker that a backend has at the moment; a new one when it died."""

from __future__ import annotations

import os
import selectors
import time
from collections.abc import Callable

from dodas.containers.launch import Launch
from dodas.errors import BackendError
from dodas.worker.client import News, Worker
from dodas.worker.scratch import sweep

_PATIENCE = 10.0  # seconds for steps of a dead worker to end, longer than their grace
_PAUSE = 0.05


class Launcher:
    """Starts launches through a worker and survives its death.

    Used by one thread.  The first worker is made at once, so that a scratch directory that cannot be used
    is known before any step is taken.

    Raises:
        StoreError: There is no scratch space.
    """

    def __init__(self, make: Callable[[], Worker], selector: selectors.BaseSelector) -> None:
        self._make = make
        self._selector = selector
        self._worker: Worker | None = None
        self._news: list[News] = []
        self._remains: list[str] = []  # scratch directories of dead workers
        self._renew()

    def start(self, key: str, launch: Launch) -> None:
        """Start ``launch``.

        Raises:
            DodasError: Neither this worker nor a new one took it.
        """
        try:
            (self._worker or self._renew()).start(key, launch)
        except BackendError:
            self._bury()
            self._renew().start(key, launch)

    def stop(self, key: str, *, now: bool = False) -> None:
        """Ask for the end of a launch."""
        if self._worker is not None:
            self._worker.stop(key, now=now)

    def told(self) -> list[News]:
        """Return what happened since the last call, without waiting."""
        if self._worker is not None:
            self._news += self._worker.told()
            if not self._worker.alive:
                self._bury()
        news, self._news = self._news, []
        return news

    def close(self) -> None:
        """End the worker and all under it, and what dead ones left."""
        self._put_away()
        deadline = time.monotonic() + _PATIENCE
        for scratch in self._remains:
            while os.path.isdir(scratch) and time.monotonic() < deadline:
                sweep(os.path.dirname(scratch))
                time.sleep(_PAUSE)

    def _bury(self) -> None:
        """Put a dead worker away, but hear first what became of its launches."""
        import logging  # noqa: PLC0415 - takes milliseconds, and is not needed when all is well

        logging.getLogger(__name__).warning(
            "the process that starts steps has died; its steps are lost, later ones get a new one"
        )
        while self._worker is not None and self._worker.alive:
            self._news += self._worker.told(_PAUSE)
        if self._worker is not None:
            self._remains.append(self._worker.scratch)
        self._put_away()

    def _renew(self) -> Worker:
        self._worker = self._make()
        self._selector.register(self._worker, selectors.EVENT_READ)
        return self._worker

    def _put_away(self) -> None:
        if self._worker is not None:
            self._selector.unregister(self._worker)
            self._worker.close()
            self._worker = None
