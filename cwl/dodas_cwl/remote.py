"""Files at URLs, as far as the evaluating process has to know of them."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Container, Mapping
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Any

from dodas.backends.depot import Depot
from dodas.errors import DodasError, NotThere, SpecError, StorageUnreachable
from dodas.staging import urls
from dodas.worker.remote import is_remote
from dodas_cwl.reference import WorkflowException, uri_file_path

if TYPE_CHECKING:
    from dodas.staging.storage import Storage
    from dodas.staging.values import Entry

_ONE_BY_ONE = 4  # that many files of a directory are asked for singly, then it is listed
_WHILE = 60.0  # seconds
_ROOT = 2  # slashes in the URL of a server

__all__ = ["Remote", "is_remote", "location_of"]


class Remote:
    """What is at URLs: asked once each, and read only where an expression wants the content.

    Args:
        make: Makes the client; default: what the environment says.
    """

    def __init__(self, make: Callable[[], Storage] | None = None) -> None:
        self._make = make or _storage
        self._mutex = threading.Lock()
        self._storage: Storage | None = None
        self._depot: Depot | None = None
        self._entries: dict[str, Entry | None] = {}
        self._listings: dict[str, list[Entry]] = {}
        self._asked: Counter[str] = Counter()
        self._failed: dict[str, tuple[WorkflowException, float]] = {}

    @property
    def storage(self) -> Storage:
        """The client, made when first asked for.

        Raises:
            DodasError: The environment does not say what it must.
        """
        with self._mutex:
            if self._storage is None:
                self._storage = self._make()
            return self._storage

    def entry(self, location: str) -> Entry | None:
        """Return what is there; ``None`` if nothing is.

        Raises:
            WorkflowException: The storage does not say.
        """
        key = _key(location)
        if key not in self._entries:
            self._look_around(key)
        if key not in self._entries:
            self._entries[key] = self._ask(location)
        return self._entries[key]

    def _ask(self, location: str) -> Entry | None:
        """Ask the storage; one that has just failed, after all attempts, is left alone for a while."""
        site = location.split("/", 3)[2]
        failed, until = self._failed.get(site, (None, 0.0))
        if failed is not None and time.monotonic() < until:
            raise failed
        try:
            return self.storage.stat(location)
        except NotThere:
            return None
        except StorageUnreachable as error:
            self._failed[site] = _translated(error), time.monotonic() + _WHILE
            raise self._failed[site][0] from error
        except DodasError as error:
            raise _translated(error) from error

    def _look_around(self, key: str) -> None:
        """List the directory, where one after the other is asked for of what is in it."""
        directory = key.rpartition("/")[0]
        self._asked[directory] += 1
        if self._asked[directory] == _ONE_BY_ONE and directory.count("/") >= _ROOT:
            with suppress(WorkflowException):  # not every server lists
                self.entries(directory + "/")

    def learn(self, location: str, size: int) -> None:
        """Take that a file of so many bytes is there."""
        from dodas.staging.values import Entry  # noqa: PLC0415 - not needed without URLs

        name = urls.parse(location).name
        self._entries[_key(location)] = Entry(url=location, name=name, is_directory=False, size=size)

    def entries(self, location: str) -> list[Entry]:
        """Return what is in a directory, sorted by name.

        Raises:
            WorkflowException: The storage does not say.
        """
        key = _key(location)
        if key not in self._listings:
            try:
                found = sorted(self.storage.entries(location), key=lambda entry: entry.name)
            except DodasError as error:
                raise _translated(error) from error
            self._entries.update((_key(entry.url), entry) for entry in found)
            self._listings[key] = found
        return self._listings[key]

    def open(self, location: str) -> IO[bytes]:
        """Fetch a file, once on this machine, and open it.

        Raises:
            WorkflowException: It cannot be had.
        """
        with self._mutex:
            if self._depot is None:
                self._depot = Depot()
        try:
            folder = self._depot.folder()
            path = os.path.join(folder, "content")
            self._depot.bring(location, path, progress=_ignore)
            file = open(path, "rb")  # noqa: SIM115 - the caller's to close
            os.unlink(path)
            os.rmdir(folder)
        except DodasError as error:
            raise _translated(error) from error
        return file

    def state(self, location: str) -> Any:
        """Return what changes when the file does, as far as the storage tells; ``None``: it is not there."""
        entry = self.entry(location)
        # A server calls the same version weak as long as it is new.
        return entry and [entry.size, entry.modified, entry.etag.removeprefix("W/")]

    def close(self) -> None:
        """End all connections.  May be repeated."""
        with self._mutex:
            for opened in (self._depot, self._storage):
                if opened is not None:
                    opened.close()
            self._depot = self._storage = None


def _storage() -> Storage:
    from dodas.staging.storage import Storage  # noqa: PLC0415 - not needed without URLs

    return Storage()


def _ignore(_done: int, _total: int | None) -> None:
    """Tell nobody."""


def location_of(value: Mapping[str, Any]) -> str:
    """Return the URL of a File or Directory, or of what a link stands for; empty if it is not at one."""
    location = str(value.get("location", ""))
    if location.startswith("file:"):
        return linked(uri_file_path(location))
    return location if is_remote(location) else ""


def linked(path: str) -> str:
    """Return the URL that a symbolic link is made of; empty if there is no such link.

    As that of an input that a tool was shown in its output directory, where its URL was never a file.
    """
    text = os.readlink(path) if os.path.islink(path) else ""
    return text if text and is_remote(text) else ""


def moved(directory: str, made: Container[str]) -> str:
    """Return the URL of the directory that the files below one of this machine went to; empty for none.

    Where each of them was, a link made of its URL tells.

    Args:
        directory: The directory here.
        made: URLs of files that went from here.
    """
    for here, _, names in os.walk(directory):
        for name in names:
            path = os.path.join(here, name)
            url = linked(path)
            if url and url in made:
                depth = os.path.relpath(path, directory).count("/") + 1
                return url.rsplit("/", depth)[0]
    return ""


def canonical(value: Any) -> None:
    """Write the URLs of files and directories in the one way in which names come out of them right."""
    if isinstance(value, list):
        for item in value:
            canonical(item)
    if isinstance(value, dict):
        if value.get("class") in ("File", "Directory") and is_remote(str(value.get("location", ""))):
            _rewrite(value)
        for item in value.values():
            canonical(item)


def _rewrite(value: dict[str, Any]) -> None:
    before = str(value["location"])
    url = urls.parse(before)
    value["location"] = str(url.as_file)
    guessed = os.path.basename(before.partition("?")[0].partition("#")[0])
    if value.get("basename") in (None, guessed, urls.decoded(guessed)):
        value["basename"] = url.name
        if value["class"] == "File":
            value["nameroot"], value["nameext"] = os.path.splitext(url.name)


def _key(location: str) -> str:
    with suppress(SpecError):
        location = str(urls.parse(location))
    return location.rstrip("/")


def _translated(error: DodasError) -> WorkflowException:
    return WorkflowException(f"{error}\n{error.hint}".rstrip())
