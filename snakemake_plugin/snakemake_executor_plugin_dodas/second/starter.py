"""Starts steps on this machine, second Snakemakes among them from one that is loaded."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from dodas.containers.launch import Launch, Outcome
from dodas.errors import BackendError, DodasError
from dodas.worker.client import Ended, News, Worker
from dodas.worker.program import Process
from snakemake_executor_plugin_dodas.second.words import is_second

_Note = tuple[str, str] | None

_HOST = "host"
_ENGINE, _PROGRAM = "snakemake", "snakemake_executor_plugin_dodas.second.warm"


class Starter(Worker):
    """Starts launches as its base does, but for second Snakemakes.

    The first of these starts another fork server, which loads Snakemake (:mod:`.warm`).  It gets this one and
    all later ones that differ in their arguments only.  If it cannot be had, or is gone, they are launched as
    the commands that they are.

    Args:
        scratch: As for the base.
        note: Returns what a launch notes when it goes well, by its key.
    """

    def __init__(self, scratch: str | None = None, note: Callable[[str], _Note] = lambda key: None) -> None:
        super().__init__(scratch)
        self._note = note
        self._place = scratch
        self._warm: _Warm | None = None
        self._tried = False
        self._both = select.epoll()
        self._both.register(super().fileno(), select.EPOLLIN)

    @property
    def alive(self) -> bool:
        """See the base; it has no end before all is told that there is to tell."""
        return super().alive or self._warm is not None

    def start(self, key: str, launch: Launch) -> None:
        """See the base."""
        launch = replace(launch, note=self._note(key))
        warm = self._warm_for(launch)
        if warm is None or not warm.start(key, launch):
            super().start(key, launch)

    def stop(self, key: str, *, now: bool = False) -> None:
        """See the base."""
        if self._warm is not None and key in self._warm.launches:
            self._warm.worker.stop(key, now=now)
        else:
            super().stop(key, now=now)

    def fileno(self) -> int:
        """See the base."""
        return self._both.fileno()

    def told(self, timeout: float | None = 0.0) -> list[News]:
        """See the base."""
        news = self._told()
        if not news and timeout != 0.0:
            self._both.poll(-1 if timeout is None else timeout)
            news = self._told()
        return news

    def close(self) -> None:
        """See the base."""
        self._tried = True
        if self._warm is not None:
            self._warm.close()
            self._warm = None
        super().close()
        self._both.close()

    def _warm_for(self, launch: Launch) -> _Warm | None:
        if launch.engine != _HOST or not is_second(launch.argv):
            return None
        if not self._tried:
            self._tried = True
            with suppress(OSError, DodasError):
                self._warm = _Warm(launch, self._place)
                self._both.register(self._warm.worker, select.EPOLLIN)
        return self._warm if self._warm is not None and self._warm.suits(launch) else None

    def _told(self) -> list[News]:
        news = super().told()
        if self._warm is not None:
            news += self._warm.told()
            if not (super().alive and self._warm.worker.alive):
                news += self._put_away(self._warm)
        return news

    def _put_away(self, warm: _Warm) -> list[News]:
        """Let go of the loaded one; return the ends of its launches, but for those that begin anew."""
        self._warm = None
        self._both.unregister(warm.worker)
        ends: list[News] = []
        for key, launch in warm.close().items():
            try:
                super().start(key, launch)
            except BackendError:
                ends.append(_lost(key))
        return ends + [_lost(key) for key in warm.launches]


class _Warm:
    """The fork server that has Snakemake loaded, and the launches that it was given.

    Args:
        first: The first of them, whose environment and directory it gets.
        scratch: As for :class:`dodas.worker.client.Worker`.

    Attributes:
        launches: Those that are not over, as they were, by key.

    Raises:
        OSError: It cannot be started.
    """

    def __init__(self, first: Launch, scratch: str | None) -> None:
        self._first = first
        self._ready, self._says_ready = os.pipe()
        self.launches: dict[str, Launch] = {}
        try:
            self.worker = Worker(scratch, self._serve)
        except BaseException:
            os.close(self._ready)
            raise
        finally:
            os.close(self._says_ready)

    def suits(self, launch: Launch) -> bool:
        """Return whether ``launch`` is like the first one in all that is read when Snakemake is loaded."""
        first = self._first
        return (launch.env, launch.cwd) == (first.env, first.cwd) and not (launch.stdin or launch.tty)

    def start(self, key: str, launch: Launch) -> bool:
        """Start ``launch``; return whether that was possible."""
        try:
            self.worker.start(key, replace(launch, engine=_ENGINE))
        except BackendError:
            return False
        self.launches[key] = launch
        return True

    def told(self) -> list[News]:
        """Return news of launches, but not of those that are over because the fork server is."""
        news = []
        for one in self.worker.told():
            if isinstance(one, Ended) and one.outcome.lost and not self.worker.alive:
                continue
            if isinstance(one, Ended):
                self.launches.pop(one.key, None)
            news.append(one)
        return news

    def close(self) -> dict[str, Launch]:
        """End it, and return those of its launches that were certainly never started; others are lost."""
        os.set_blocking(self._ready, False)
        never: dict[str, Launch] = {}
        try:
            began = bool(os.read(self._ready, 1))
        except BlockingIOError:
            began = False
        if not began:
            never, self.launches = self.launches, {}
        self.worker.close()
        os.close(self._ready)
        return never

    def _serve(self, given: tuple[int, int, int], scratch: str) -> Process:
        orders, news, lock = given
        held = (orders, news, lock, self._says_ready)
        return subprocess.Popen(
            [sys.executable, "-m", _PROGRAM, *map(str, held), scratch],
            pass_fds=held,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            cwd=self._first.cwd,
            env=dict(self._first.env),
            start_new_session=True,  # Ctrl-C is for the program, which then decides
        )


def _lost(key: str) -> Ended:
    return Ended(key, Outcome(fault="the process that started this step died", lost=True))
