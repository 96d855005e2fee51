"""What exists, from one listing for each directory instead of one question for each file.

Snakemake plans with a cache of what it knows.  A listing tells what is there at little cost, and Snakemake
would conclude that nothing else is.  A federation's listing may be minutes old, though, and miss what was
stored lately.  So the first files that a listing misses are asked for one by one; only a listing that was
right each time is believed from then on.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice
from threading import Lock
from time import monotonic
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, ref

from snakemake_interface_storage_plugins.io import Mtime

from dodas.errors import NotThere, TransferError
from snakemake_storage_plugin_dynafed import queries

if TYPE_CHECKING:
    from dodas.staging.values import Entry
    from snakemake_storage_plugin_dynafed.managed import Managed

_PROBES = 20  # files that a listing misses, and rightly so, until it is believed
_LONGEST = 200_000  # entries; more cost more than they save


@dataclass(slots=True)
class _Folder:
    """What is known of one directory: how often its listing was right about a file that it misses."""

    lock: Lock = field(default_factory=Lock)
    listed: bool = False
    complete: bool = False
    confirmed: int = 0

    def is_believed(self) -> bool:
        return self.complete and self.confirmed >= _PROBES

    def note(self, *, exists: bool) -> None:
        """Take note of what became of a file that the listing misses."""
        self.confirmed += not exists
        self.complete &= not exists


class Inventory:
    """Fills Snakemake's cache."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._folders: WeakKeyDictionary[Any, dict[str, _Folder]] = WeakKeyDictionary()
        self._current: Any = lambda: None

    def cache(self) -> Any:
        """Return the cache that Snakemake plans with; ``None`` once it only believes what it is told anew."""
        cache = self._current()
        return cache if cache is not None and cache.active and cache.remaining_wait_time > 0 else None

    async def fill(self, one: Managed, cache: Any) -> bool:
        """Write into ``cache`` whether ``one`` exists, and what else its directory has.

        Return whether there was time for that.
        """
        if cache.remaining_wait_time <= 0:
            return False
        self._current = ref(cache)

        async def fill() -> None:
            self._fill(one, cache)

        await one.provider.aside.run(fill)
        return True

    def _fill(self, one: Managed, cache: Any) -> None:
        parent, key = str(one.get_inventory_parent()), one.cache_key()
        if not queries.is_listed(one.query):
            cache.exists_in_storage[key] = one.exists()
            return
        folder = self._folder(cache, parent)
        with folder.lock:
            if not folder.listed:
                began = monotonic()
                folder.complete, folder.listed = _list(one, cache), True
                cache.remaining_wait_time -= monotonic() - began
        if key in cache.exists_in_storage or folder.is_believed():
            return
        cache.exists_in_storage[key] = exists = one.exists()
        folder.note(exists=exists)
        if folder.is_believed():
            cache.exists_in_storage.has_inventory.add(parent)

    def _folder(self, cache: Any, parent: str) -> _Folder:
        with self._lock:
            return self._folders.setdefault(cache, {}).setdefault(parent, _Folder())


def _list(one: Managed, cache: Any) -> bool:
    """Write into ``cache`` what the directory of ``one`` has; return whether that is all that it has.

    It is not if the storage does not like to tell: too much for a federation, or no WebDAV.  Then each file
    is asked for by itself.
    """
    top = queries.folder(one.query)
    entries = one.provider.site.entries(queries.address(top))
    try:
        for entry in islice(entries, _LONGEST):
            _note(one, cache, queries.below(top, (entry.name,)), entry)
        return next(entries, None) is None
    except NotThere:
        return not top.startswith("http")  # where no web server says so of what it cannot list
    except TransferError:
        return False


def _note(one: Managed, cache: Any, query: str, entry: Entry) -> None:
    key = str(one.provider.local_prefix / queries.on_disk(query))
    cache.exists_in_storage[key] = True
    if entry.is_directory:
        return  # its age is that of its youngest file
    if entry.size is not None:
        cache.size[key] = entry.size
    if entry.modified is not None:
        cache.mtime[key] = Mtime(storage=entry.modified)
