"""What Snakemake awaits: the interface's own calls, each in a thread, so that many go on at once."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, TypeVar

from snakemake_interface_storage_plugins.common import Operation
from snakemake_interface_storage_plugins.storage_object import (
    StorageObjectGlob,
    StorageObjectRead,
    StorageObjectTouch,
    StorageObjectWrite,
)

if TYPE_CHECKING:
    from snakemake_storage_plugin_dynafed.provider import StorageProvider

T = TypeVar("T")


class Managed(StorageObjectRead, StorageObjectWrite, StorageObjectGlob, StorageObjectTouch):
    """The awaitable half of a storage object; what it awaits is defined by the class derived from it."""

    provider: StorageProvider

    async def managed_exists(self) -> bool:
        """Tell whether the storage has it, while Snakemake plans from listings of directories."""
        inventory = self.provider.inventory
        cache = None if self._overwrite_local_path else inventory.cache()
        if cache is not None and await inventory.fill(self, cache):
            return bool(cache.exists_in_storage[self.cache_key()])
        return bool(await self._aside(super().managed_exists, Operation.EXISTS))

    async def managed_mtime(self) -> float:
        """Return when it was changed."""
        return float(await self._aside(super().managed_mtime, Operation.MTIME))

    async def managed_size(self) -> int:
        """Return its bytes."""
        return int(await self._aside(super().managed_size, Operation.SIZE))

    async def managed_checksum(self) -> str | None:
        """Return a checksum of it."""
        return await self._aside(super().managed_checksum, Operation.SIZE)

    async def managed_retrieve(self) -> None:
        """Bring it to its local path."""
        await self._aside(super().managed_retrieve, Operation.RETRIEVE)

    async def managed_store(self) -> None:
        """Publish the local copy."""
        await self._aside(super().managed_store, Operation.STORE)

    async def managed_remove(self) -> None:
        """Remove it from the storage."""
        await self._aside(super().managed_remove, Operation.REMOVE)

    async def managed_touch(self) -> None:
        """Make it younger."""
        await self._aside(super().managed_touch, Operation.TOUCH)

    async def _aside(self, make: Callable[[], Coroutine[None, None, T]], operation: Operation) -> T:
        async with self.provider.rate_limiter(self.query, operation):
            return await self.provider.aside.run(make)
