"""Where on a storage steps put what they make, when the nodes see no disk of this machine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from dodas.errors import DodasError
from dodas.staging import urls
from dodas_cwl.reference import log
from dodas_cwl.remote import is_remote

if TYPE_CHECKING:
    from dodas.staging.storage import Storage

_ROOT = 2  # slashes before the name of a server


class Area:
    """A directory for each step, below the directory for the outputs of the workflow.

    What of it is an output of the workflow stays there; the rest goes when the workflow has ended.

    Args:
        target: URL of the directory for the outputs of the workflow; empty if there is none.
    """

    def __init__(self, target: str) -> None:
        self._target = target
        self._files: dict[str, str] = {}  # URL of a file -> directory of its step

    def place(self, step: str) -> str:
        """Return the URL of the directory of a step.

        Args:
            step: Its id: what people call it, and a key that is the same whenever the work is.
        """
        return str(urls.join(urls.parse(self._target), step))

    def made(self, files: Iterable[str]) -> None:
        """Take that files of a step are there, by URL."""
        base = self.place("").rstrip("/") if self._target else ""
        for url in files if base else ():
            if url.startswith(base + "/"):
                self._files[url] = f"{base}/{url[len(base) + 1 :].partition('/')[0]}"

    def clear(self, storage: Storage, outputs: Any) -> None:
        """Remove what is no output of the workflow; what cannot be removed stays, and a word says so."""
        kept = set(locations(outputs))
        wanted = {url for url in self._files if _is_in(url, kept)}
        full = {self._files[url] for url in wanted}
        for directory in set(self._files.values()) - full:
            _remove(storage, directory + "/", recursive=True)
        for url, directory in self._files.items():
            if directory in full and url not in wanted:
                _remove(storage, url)


def _is_in(url: str, kept: set[str]) -> bool:
    """Return whether a URL, or a directory that it is in, is one of those that are kept."""
    while url.count("/") > _ROOT:
        if url in kept:
            return True
        url = url.rpartition("/")[0]
    return False


def _remove(storage: Storage, url: str, *, recursive: bool = False) -> None:
    try:
        storage.remove(url, recursive=recursive)
    except DodasError as error:
        log.warning("an intermediate result is left: %s", error)


def locations(value: Any) -> Iterator[str]:
    """Yield the URLs of all files and directories in an output object that are at URLs."""
    if isinstance(value, dict):
        location = str(value.get("location", "/"))
        if is_remote(location):
            yield location.rstrip("/")
        for item in value.values():
            yield from locations(item)
    elif isinstance(value, list):
        for item in value:
            yield from locations(item)
