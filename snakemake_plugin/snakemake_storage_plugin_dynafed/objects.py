"""One file or directory of a workflow that lives on storage."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from snakemake_interface_common.exceptions import WorkflowError

from dodas.errors import DodasError, NotThere
from snakemake_storage_plugin_dynafed import queries
from snakemake_storage_plugin_dynafed.managed import Managed

if TYPE_CHECKING:
    from dodas.staging.values import Entry
    from snakemake_storage_plugin_dynafed.site import Site


@contextmanager
def _explained() -> Iterator[None]:
    """Turn errors of dodas into those of Snakemake, which have one text for people."""
    try:
        yield
    except DodasError as error:
        raise WorkflowError(f"{error}\nhint: {error.hint}" if error.hint else str(error)) from error


class StorageObject(Managed):
    """What Snakemake asks about one file or directory.

    Answers come from the storage, some of them seconds old: see :mod:`.lately`.  While Snakemake plans, it
    keeps them itself: see :mod:`.inventory`.
    """

    def local_suffix(self) -> str:
        """Return the path of the local copy below that of all copies."""
        return queries.on_disk(self.query)

    def exists(self) -> bool:
        """Tell whether the storage has it."""
        with _explained():
            try:
                self._entry()
            except NotThere:
                return False
        return True

    def mtime(self) -> float:
        """Return when it was changed: a directory, when the youngest file in it was.

        Where a server does not say, it is old.
        """
        with _explained():
            entry = self._entry()
            times = (one.modified or 0.0 for one in self._files(entry))
            return float(max(times, default=entry.modified or 0.0))

    def size(self) -> int:
        """Return the bytes of a file, 0 of a directory."""
        with _explained():
            return self._entry().size or 0

    def local_footprint(self) -> int:
        """Return the bytes that it needs on this disk."""
        with _explained():
            return sum(one.size or 0 for one in self._files(self._entry()))

    def checksum(self) -> str | None:
        """Return a checksum of a kind that Snakemake can compute, if that costs the storage little."""
        with _explained():
            return self._site.checksum(self._url, self._entry())

    def retrieve_object(self) -> None:
        """Bring it to its local path: whole and verified, or not at all."""
        from snakemake_storage_plugin_dynafed.retrieving import bring  # noqa: PLC0415

        with _explained():
            bring(self._site, self._url, str(self.local_path()))

    def store_object(self) -> None:
        """Publish the local copy in place of what is there."""
        from snakemake_storage_plugin_dynafed.storing import publish  # noqa: PLC0415

        with _explained():
            publish(self._site, str(self.local_path()), self._url)

    def remove(self) -> None:
        """Remove it from the storage, a directory with all that is in it."""
        with _explained():
            self._site.remove(self._url)

    def touch(self) -> None:
        """Make it younger.  WebDAV has no way to do that but to store it again."""
        from snakemake_storage_plugin_dynafed.touching import renew  # noqa: PLC0415

        with _explained():
            renew(self._site, self._url, str(self.provider.local_prefix))

    def list_candidate_matches(self) -> Iterable[str]:
        """Return queries for all files and directories that may match the query with its wildcards."""
        top = queries.fixed_folder(self.query)
        with _explained():
            base = queries.address(top)
            try:
                found = [queries.names_below(base, one.url) for one in self._site.walk(base)]
            except NotThere:
                return []
        return [queries.below(top, names) for names in found]

    async def inventory(self, cache: Any) -> None:
        """Write into ``cache`` whether it exists, and what the listing of its directory tells besides."""
        await self.provider.inventory.fill(self, cache)

    def get_inventory_parent(self) -> str:
        """Return what the directory is called in :meth:`inventory`'s cache."""
        return str(self.cache_key(queries.on_disk(queries.folder(self.query))))

    def step_source(self) -> str:
        """Return the URL from which a step of dodas brings it; that of a directory ends with a slash."""
        with _explained():
            self._site.await_one(self._url)
            return f"{self._url}/" if self._entry().is_directory else self._url

    def step_destination(self) -> str:
        """Return the URL at which a step of dodas publishes it."""
        return self._url

    def was_published(self, sizes: Mapping[str, int]) -> None:
        """Take note that a step has published it: the files of this run with their sizes, by their URLs."""
        url = self._url
        self._site.believe(
            url, {one: n for one, n in sizes.items() if one == url or one.startswith(f"{url}/")}
        )

    def cleanup(self) -> None:
        """Leave the local copy to Snakemake; there is nothing else."""

    @property
    def _site(self) -> Site:
        return self.provider.site

    @property
    def _url(self) -> str:
        return queries.address(self.query)

    def _entry(self) -> Entry:
        return self._site.stat(self._url)

    def _files(self, entry: Entry) -> Iterable[Entry]:
        if not entry.is_directory:
            return [entry]
        return (one for one in self._site.walk(self._url) if not one.is_directory)
