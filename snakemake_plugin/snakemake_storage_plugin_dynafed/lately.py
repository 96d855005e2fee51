"""What the storage has just said.

Snakemake asks a dozen questions about each file of a job within moments: is it there, how large is it, is it
there, how old.  A storage that is far away would be asked the same for seconds.
"""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dodas.staging.values import Entry

_GOOD_FOR = 5.0  # seconds
_MOST = 10_000


class Lately:
    """Remembers files that were there for some seconds.  That one is not there is never remembered."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._entries: OrderedDict[str, tuple[float, Entry]] = OrderedDict()

    def get(self, url: str) -> Entry | None:
        """Return what was at ``url`` a moment ago; ``None`` if that is not known."""
        with self._lock:
            until, entry = self._entries.get(url, (0.0, None))
        return entry if until > monotonic() else None

    def keep(self, url: str, entry: Entry, *, seconds: float = _GOOD_FOR) -> None:
        """Remember what is at ``url``."""
        with self._lock:
            self._entries[url] = monotonic() + seconds, entry
            self._entries.move_to_end(url)
            if len(self._entries) > _MOST:
                self._entries.popitem(last=False)

    def forget(self, url: str) -> None:
        """Remember nothing of what is at ``url``, which was changed, and of what is above or below it."""
        with self._lock:
            gone = [
                one for one in self._entries if f"{one}/".startswith(f"{url}/") or url.startswith(f"{one}/")
            ]
            for one in gone:
                del self._entries[one]
