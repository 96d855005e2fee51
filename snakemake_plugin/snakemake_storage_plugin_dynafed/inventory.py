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

from dodas.errors import TransferError
from snakemake_storage_plugin_dynafed import queries

if TYPE_CHECKING:
    from snakemake_storage_plugin_dynafed.objects import StorageObject

_PROBES = 20  # files that a listing misses, and rightly so, until it is believed
_LONGEST = 200_000  # entries; more cost more than they save


@dataclass(slots=True)
class _Folder:
    """What is known of one directory: how often its listing was right about a file that it misses."""

    lock: Lock = field(default_factory=Lock)
    listed: bool = False
    confirmed: int = 0
    wrong: bool = False

    def is_believed(self) -> bool:
        return not self.wrong and self.confirmed >= _PROBES


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

    async def fill(self, one: StorageObject, cache: Any) -> None:
        """Write into ``cache`` whether ``one`` exists, and what else its directory has."""
        if cache.remaining_wait_time <= 0:
            return
        self._current = ref(cache)

        async def fill() -> None:
            self._fill(one, cache)

        await one.provider.aside.run(fill)

    def _fill(self, one: StorageObject, cache: Any) -> None:
        parent, key = one.get_inventory_parent(), one.cache_key()
        folder = self._folder(cache, parent)
        with folder.lock:
            if not folder.listed and queries.is_listed(one.query):
                began = monotonic()
                folder.listed = True
                _list(one, cache, parent)
                cache.remaining_wait_time -= monotonic() - began
        if key in cache.exists_in_storage or folder.is_believed():
            return
        cache.exists_in_storage[key] = exists = one.exists()
        folder.confirmed += not exists
        folder.wrong |= exists
        if folder.is_believed():
            cache.exists_in_storage.has_inventory.add(parent)

    def _folder(self, cache: Any, parent: str) -> _Folder:
        with self._lock:
            return self._folders.setdefault(cache, {}).setdefault(parent, _Folder())


def _list(one: StorageObject, cache: Any, parent: str) -> None:
    """Write into ``cache`` what the directory of ``one`` has, as far as the storage likes to tell."""
    top = queries.folder(one.query)
    prefix = one.provider.local_prefix
    try:
        for entry in islice(one.provider.site.entries(queries.address(top)), _LONGEST):
            key = str(prefix / queries.on_disk(queries.below(top, (entry.name,))))
            cache.exists_in_storage[key] = True
            if entry.is_directory:
                continue  # its age is that of its youngest file
            if entry.size is not None:
                cache.size[key] = entry.size
            if entry.modified is not None:
                cache.mtime[key] = Mtime(storage=entry.modified)
    except TransferError:
        pass  # absent, too large for a federation, or no WebDAV: each file is asked for by itself
