"""The outputs of a workflow brought to a storage, and named by where they are there."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dodas.errors import DodasError
from dodas.staging import urls
from dodas.staging.urls import Url
from dodas_cwl.reference import WorkflowException, uri_file_path
from dodas_cwl.remote import location_of

if TYPE_CHECKING:
    from dodas.staging.storage import Storage
    from dodas.staging.values import Stored

_AT_ONCE = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """One file or directory of an output object, and where it goes."""

    value: dict[str, Any]
    url: Url


def publish(storage: Storage, outputs: Any, target: str) -> None:
    """Bring all files of an output object into a directory of a storage.

    Their locations become URLs.  What is at a URL already is copied there by the storages themselves, if they
    can; what has the name of an output is replaced.

    Args:
        storage: The client.
        outputs: The output object, which is changed.
        target: URL of the directory, made if it is missing.

    Raises:
        WorkflowException: Something cannot be brought there.
    """
    try:
        top = urls.parse(target).as_directory
        parcels = list(Layout(top).place(outputs, top))
        with ThreadPoolExecutor(_AT_ONCE, "dodas-publish") as pool:
            list(pool.map(lambda parcel: _send(storage, parcel), parcels))
    except DodasError as error:
        raise WorkflowException(f"the outputs cannot be published: {error}\n{error.hint}".rstrip()) from error


class Layout:
    """Chooses names: those of the outputs, with a number where two are the same.

    What steps have put below the directory themselves stays there.

    Args:
        top: The directory for all.
    """

    def __init__(self, top: Url) -> None:
        self._top = str(top)
        self._taken: dict[tuple[str, str], str] = {}  # directory, name -> location of what has it

    def place(self, value: Any, directory: Url) -> Iterator[Parcel]:
        """Yield where everything in an output object goes, directories before what is in them."""
        if isinstance(value, list):
            for item in value:
                yield from self.place(item, directory)
        elif isinstance(value, dict):
            if value.get("class") in ("File", "Directory"):
                yield from self._file_or_directory(value, directory)
            else:
                for item in value.values():
                    yield from self.place(item, directory)

    def _file_or_directory(self, value: dict[str, Any], directory: Url) -> Iterator[Parcel]:
        if str(value["location"]).startswith(self._top):
            yield from self.place(value.get("secondaryFiles", []), directory)
            return
        url = urls.join(directory, self._name(value, directory))
        if value["class"] == "File":
            yield Parcel(value=value, url=url)
            yield from self.place(value.get("secondaryFiles", []), directory)
            return
        if "listing" not in value:
            value["listing"] = list(_listing(value))
        yield Parcel(value=value, url=url.as_directory)
        yield from self.place(value["listing"], url)

    def _name(self, value: Mapping[str, Any], directory: Url) -> str:
        name, location = str(value["basename"]), str(value["location"])
        number = 1
        while self._taken.setdefault((str(directory), name), location) != location:
            number += 1
            name = f"{value['basename']}_{number}"
        return name


def _listing(value: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield what is in a directory of this machine; one at a URL is copied as a whole."""
    location = str(value["location"])
    if not location.startswith("file:"):
        return
    for entry in sorted(os.scandir(uri_file_path(location)), key=lambda entry: entry.name):
        kind = "Directory" if entry.is_dir() else "File"
        yield {"class": kind, "location": "file://" + urls.quoted(entry.path), "basename": entry.name}


def _send(storage: Storage, parcel: Parcel) -> None:
    value, url = parcel.value, str(parcel.url)
    source = location_of(value)
    if value["class"] == "Directory":
        _send_directory(storage, value, url, source)
    elif source:
        _note(value, storage.copy(source, url, overwrite=True) if source != url else None)
    elif "contents" in value and str(value["location"]).startswith("_:"):
        _note(value, _send_text(storage, str(value.pop("contents")), url))
    else:
        _note(value, storage.upload(uri_file_path(str(value["location"])), url, overwrite=True))
    value["location"] = url.rstrip("/")
    value.pop("path", None)


def _send_directory(storage: Storage, value: Mapping[str, Any], url: str, source: str) -> None:
    storage.make_directory(url)
    if not source or value["listing"]:
        return
    base = urls.parse(source).as_directory
    for entry in storage.walk(str(base)):
        below = urls.parse(entry.url).path[len(base.path) :]
        place = urls.parse(url).with_path(urls.parse(url).path + below)
        if entry.is_directory:
            storage.make_directory(str(place))
        else:
            storage.copy(entry.url, str(place), overwrite=True)


def _send_text(storage: Storage, text: str, url: str) -> Stored:
    with tempfile.NamedTemporaryFile() as file:
        file.write(text.encode())
        file.flush()
        return storage.upload(file.name, url, overwrite=True)


def _note(value: dict[str, Any], stored: Stored | None) -> None:
    if stored is None:
        return
    value["size"] = stored.size
    if "checksum" not in value and stored.checksums:
        first = stored.checksums[0]
        value["checksum"] = f"{first.algorithm}${first.value}"
