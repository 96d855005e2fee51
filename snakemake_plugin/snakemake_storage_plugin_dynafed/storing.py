"""From this disk to storage."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from dodas.errors import TransferError
from snakemake_storage_plugin_dynafed import queries
from snakemake_storage_plugin_dynafed.many import at_once

if TYPE_CHECKING:
    from snakemake_storage_plugin_dynafed.site import Site

_OF_SNAKEMAKE = ".snakemake_timestamp"  # marks the age of a local directory, and is no content of it


def publish(site: Site, path: str, url: str) -> None:
    """Store the file or directory ``path`` as ``url``, in place of what is there.

    Raises:
        TransferError: It did not arrive.
    """
    if not os.path.isdir(path):
        site.upload(path, url)
        return
    # Afterwards it has what the local one has, and nothing that was there before.
    site.remove(url)
    site.storage.make_directory(url, parents=True)
    at_once(site.upload, _files(site, path, url, (os.path.realpath(path),)))


def _files(site: Site, path: str, url: str, above: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Yield the files below ``path`` with their URLs; make the directories that would be empty."""
    with os.scandir(path) as found:
        entries = sorted((entry for entry in found if entry.name != _OF_SNAKEMAKE), key=lambda one: one.name)
    if not entries and len(above) > 1:
        site.storage.make_directory(url, parents=True)
    for entry in entries:
        target = queries.child(url, entry.name)
        if entry.is_dir():
            yield from _files(site, entry.path, target, (*above, _real(entry.path, above)))
        elif entry.is_file():
            yield entry.path, target
        else:
            raise TransferError(
                f"{entry.path} is neither a file nor a directory, and cannot be stored",
                hint="let the rule remove it: links that lead nowhere, sockets and pipes have no content",
            )


def _real(path: str, above: tuple[str, ...]) -> str:
    real = os.path.realpath(path)
    if real in above:
        raise TransferError(f"{path} is a link to a directory that it lies in", hint="let the rule remove it")
    return real
