"""A storage that tests start, stop and look into: what all kinds have in common."""

from __future__ import annotations

import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from servers.asked import Request
from servers.daemon import Daemon

_Self = TypeVar("_Self", bound="Site")


class Startable(Protocol):
    """Something that listens from `start` to `stop`; both may be called twice."""

    @property
    def running(self) -> bool:
        """Whether it was started, and not stopped since."""

    def start(self) -> None:
        """Listen."""

    def stop(self) -> None:
        """Listen no more, and cut what is connected."""


class Site(ABC):
    """A storage on a port of loopback, the same port however often it is started.

    Attributes:
        root: Where its files are.
    """

    def __init__(self, *, root: Path, daemons: Sequence[Startable]) -> None:
        self.root = root
        self._daemons = tuple(daemons)
        self._seen = 0

    def __enter__(self: _Self) -> _Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def running(self) -> bool:
        """Whether it was started, and not stopped since."""
        return all(daemon.running for daemon in self._daemons)

    def start(self) -> None:
        """Start it, or start it again; if it runs, nothing happens."""
        for daemon in self._daemons:
            daemon.start()

    def stop(self) -> None:
        """End it, and cut its connections; nothing listens on its port until it is started."""
        for daemon in reversed(self._daemons):
            daemon.stop()

    def freeze(self) -> None:
        """Make it hang until `thaw` or `stop`: connections are taken, nothing is answered."""
        for daemon in self._daemons:
            if isinstance(daemon, Daemon):
                daemon.freeze()

    def thaw(self) -> None:
        """Let it go on."""
        for daemon in self._daemons:
            if isinstance(daemon, Daemon):
                daemon.thaw()

    def empty(self) -> None:
        """Make it as new: running, without files, asked nothing."""
        self.start()
        for entry in self.root.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()
        self.forget()

    def requests(self) -> tuple[Request, ...]:
        """Return what it was asked since `forget`, each noted before it was answered."""
        return tuple(self.asked())[self._seen :]

    def forget(self) -> None:
        """Let `requests` begin from here."""
        self._seen = sum(1 for _ in self.asked())

    @abstractmethod
    def url(self, path: str = "") -> str:
        """Return the URL of a path, which is percent-encoded already."""

    @abstractmethod
    def asked(self) -> Iterator[Request]:
        """Yield all requests, in the order in which they came."""
