"""What this process has stored itself.

A federation remembers for a while what it knew: for seconds it may deny a file that it has just taken, or
tell its former size.  Snakemake asks at once after storing, and would call that a failure of the job.  So the
endpoint that took a file is asked for it.  If that one is down by now, what it said before is what is known:
there is a local copy for those jobs that need one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from threading import Lock
from time import monotonic
from typing import TYPE_CHECKING

from dodas.errors import NotThere, StorageUnreachable, TransferError

if TYPE_CHECKING:
    from dodas.staging.values import Entry, Stored

    Stat = Callable[[str], Entry]

_LEFT_ALONE = 60.0  # seconds for which a host that did not answer is not asked


@dataclass(slots=True, eq=False)
class Fresh:
    """One file that was stored, and what its endpoint last said of it."""

    stored: Stored
    entry: Entry | None = None

    @property
    def host(self) -> str:
        """The endpoint that took it."""
        return self.stored.endpoint.partition("://")[2].partition("/")[0]


class FreshFiles:
    """All files that were stored, by their URLs."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._files: dict[str, Fresh] = {}
        self._silent: dict[str, float] = {}  # until when hosts are left alone

    def add(self, url: str, stored: Stored) -> None:
        """Remember a file."""
        with self._lock:
            self._files[url] = Fresh(stored)

    def get(self, url: str) -> Fresh | None:
        """Return the file; ``None`` if it is another's."""
        with self._lock:
            return self._files.get(url)

    def below(self, url: str) -> Iterator[str]:
        """Yield the URLs of files in a directory, in whatever depth."""
        with self._lock:
            found = [one for one in self._files if one.startswith(f"{url}/")]
        yield from found

    def forget(self, url: str) -> None:
        """Remember neither the file nor what is below it."""
        gone = [url, *self.below(url)]
        with self._lock:
            for one in gone:
                self._files.pop(one, None)

    def stat(self, fresh: Fresh, url: str, stat: Stat) -> Entry:
        """Return what is known of a file, which the federation calls ``url``.

        Raises:
            NotThere: It was removed.
            TransferError: Nobody says.
        """
        if self._silent.get(fresh.host, 0.0) > monotonic():
            return _remembered(fresh, url, stat)
        try:
            fresh.entry = stat(fresh.stored.endpoint)
            return fresh.entry
        except StorageUnreachable:
            self._silent[fresh.host] = monotonic() + _LEFT_ALONE
            return _remembered(fresh, url, stat)
        except TransferError:
            # Removed, or moved elsewhere; or the endpoint answers to signed URLs only.
            return stat(url)


def _remembered(fresh: Fresh, url: str, stat: Stat) -> Entry:
    try:
        return stat(url)
    except (NotThere, StorageUnreachable):
        if fresh.entry is None:
            raise
        return fresh.entry
