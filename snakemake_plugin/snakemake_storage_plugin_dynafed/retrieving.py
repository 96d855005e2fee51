"""From storage to this disk: what has its name there is complete and verified."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING

from snakemake_storage_plugin_dynafed import queries
from snakemake_storage_plugin_dynafed.many import at_once

if TYPE_CHECKING:
    from snakemake_storage_plugin_dynafed.site import Site


def bring(site: Site, url: str, path: str) -> None:
    """Bring the file or directory ``url`` to ``path``, in place of what is there, with its age.

    Raises:
        TransferError: It did not arrive; ``path`` is as it was.
    """
    entry = site.stat(url)
    if entry.is_directory:
        _directory(site, url, path)
    else:
        site.download(url, path)
        _age(path, entry.modified)


def _directory(site: Site, url: str, path: str) -> None:
    parent, name = os.path.split(path)
    # The same each time, so that what a killed run has left is found.
    part = os.path.join(parent, f".dodas-{hashlib.sha256(os.fsencode(name)).hexdigest()[:16]}.tree")
    _discard(part)
    os.makedirs(part)
    try:
        ages = [0.0]
        at_once(site.download, _files(site, url, part, ages))
        _discard(path)
        os.rename(part, path)
        _age(path, max(ages))
    finally:
        _discard(part)


def _files(site: Site, url: str, place: str, ages: list[float]) -> Iterator[tuple[str, str]]:
    """Make the directories below ``url`` in ``place``; yield the files, and note when they were changed."""
    for entry in site.walk(url):
        target = os.path.join(place, *queries.names_below(url, entry.url))
        if entry.is_directory:
            os.makedirs(target, exist_ok=True)
            continue
        os.makedirs(os.path.dirname(target), exist_ok=True)
        ages.append(entry.modified or 0.0)
        yield entry.url, target


def _age(path: str, modified: float | None) -> None:
    # Snakemake takes what is younger in the storage for changed, and brings it once more.
    if modified:
        os.utime(path, (modified, modified))


def _discard(path: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.unlink(path)
