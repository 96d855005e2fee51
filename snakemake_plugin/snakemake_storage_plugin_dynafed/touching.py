"""Make what is on storage younger: WebDAV cannot set the age of a file."""

from __future__ import annotations

import os
import shutil
import tempfile
from typing import TYPE_CHECKING

from dodas.errors import TransferError

if TYPE_CHECKING:
    from dodas.staging.values import Entry
    from snakemake_storage_plugin_dynafed.site import Site


def renew(site: Site, url: str, place: str) -> None:
    """Store the file ``url`` once more; of a directory its smallest file, which makes the directory young.

    Args:
        site: The storage.
        url: What is to be younger.
        place: A directory for the copy that is stored.

    Raises:
        TransferError: It could not be; a copy of what may be lost on the storage now is kept in ``place``.
    """
    entry = site.stat(url)
    if entry.is_directory:
        files = (one for one in site.walk(url) if not one.is_directory)
        smallest = min(files, key=_size, default=None)
        if smallest is None:
            raise TransferError(f"{url} is an empty directory, whose age cannot be set")
        url = smallest.url
    folder = tempfile.mkdtemp(prefix=".touch-", dir=place)
    copy = os.path.join(folder, "copy")
    site.download(url, copy)
    try:
        site.upload(copy, url)
    except Exception as error:
        raise TransferError(
            f"{url} was to be stored once more to make it younger, and could not be: {error}",
            hint=f"if it is gone, store it again from {copy}",
        ) from error
    shutil.rmtree(folder)


def _size(entry: Entry) -> int:
    return entry.size or 0
