"""The values and files of a run in an RO-Crate."""

from __future__ import annotations

import json
import mimetypes
import os
import shutil
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from dodas.staging import urls
from dodas_cwl.records.research import Research
from dodas_cwl.reference import log
from dodas_cwl.remote import location_of

TERMS = "https://w3id.org/ro/terms/workflow-run"
_KINDS = ("File", "Directory")


class Data:
    """Puts what steps used and made into a crate, each file once.

    Args:
        research: Has the content.
        top: Directory of the crate.
        add: Adds an entity to the crate, by its id and properties, unless there is one of that id.

    Attributes:
        collections: The entities for several files together.
    """

    def __init__(self, research: Research, top: str, add: Any) -> None:
        self._research = research
        self._top = top
        self._add = add
        self._parts: dict[str, None] = {}
        self._directories: dict[str, Any] = {}
        self._lists: dict[int, Any] = {}  # a list of files, which lives as long as what was recorded
        self.collections: list[Any] = []

    @property
    def parts(self) -> list[dict[str, str]]:
        """What is in the crate, as references."""
        return [{"@id": name} for name in self._parts]

    def values(self, found: Mapping[str, Any], parameters: Mapping[str, str]) -> list[dict[str, str]]:
        """Return an input or output object as references to entities.

        Args:
            found: The object.
            parameters: Ids of the parameters by name.
        """
        values = []
        for name, value in found.items():
            entity = None if value is None else self._value(name, value)
            if entity is None:
                continue
            if name in parameters:
                known = entity.properties().setdefault("exampleOfWork", [])
                if {"@id": parameters[name]} not in known:
                    known.append({"@id": parameters[name]})
            values.append({"@id": entity.id})
        return values

    def _value(self, name: str, value: Any) -> Any:
        if _is_file(value):
            return self._whole(value)
        if id(value) in self._lists:
            return self._lists[id(value)]
        files = [one for one in value if _is_file(one)] if isinstance(value, list) else []
        if files:
            parts = [one for one in map(self._whole, files) if one is not None]
            self._lists[id(value)] = self._collection(parts, {}) if parts else None
            return self._lists[id(value)]
        masked = self._research.secrecy.masked(value if isinstance(value, str) else json.dumps(value))
        return self._add(f"#{uuid4()}", {"@type": "PropertyValue", "name": name, "value": masked})

    def _whole(self, value: Mapping[str, Any]) -> Any:
        """Return a file or directory, with the files that belong to it."""
        first = self._file(value) if value["class"] == "File" else self._directory(value)
        others = [one for one in map(self._whole, value.get("secondaryFiles") or ()) if one is not None]
        if first is None or not others:
            return first
        return self._collection([first, *others], {"mainEntity": {"@id": first.id}})

    def _collection(self, parts: list[Any], more: dict[str, Any]) -> Any:
        ids = [{"@id": one.id} for one in parts]
        made = self._add(f"#{uuid4()}", {"@type": "Collection", "hasPart": ids, **more})
        self.collections.append(made)
        return made

    def _file(self, value: Mapping[str, Any], directory: str = "") -> Any:
        url = location_of(value)
        name = str(value.get("basename", ""))
        if url:
            place, properties = urls.redacted(url), {"name": name}
        else:
            checksum = self._research.content(value)
            path = self._research.data(checksum)
            if not checksum or not os.path.exists(path):
                return None
            place = f"{directory}{name}" if directory else f"data/{checksum}"
            self._copy(path, place)
            place = urls.quoted(place)
            properties = {"alternateName": name, "sha1": checksum, "contentSize": str(os.path.getsize(path))}
            properties["encodingFormat"] = mimetypes.guess_type(name)[0] or "application/octet-stream"
        file = self._add(place, {"@type": "File", **{key: word for key, word in properties.items() if word}})
        if not directory:
            self._parts[file.id] = None
        return file

    def _directory(self, value: Mapping[str, Any], directory: str = "") -> Any:
        location = str(value.get("location", ""))
        if location in self._directories and not directory:
            return self._directories[location]
        place = f"{directory or 'directories/' + str(uuid4()) + '/'}{value.get('basename', 'directory')}/"
        os.makedirs(os.path.join(self._top, place), exist_ok=True)
        inner = [
            self._file(one, place) if one.get("class") == "File" else self._directory(one, place)
            for one in self._research.listing(value)
        ]
        parts = [{"@id": one.id} for one in inner if one is not None]
        name = str(value.get("basename", ""))
        properties = {"@type": "Dataset", "name": name or "directory", "hasPart": parts}
        made = self._add(urls.quoted(place), properties)
        if not directory:
            self._directories[location] = made
            self._parts[made.id] = None
        return made

    def _copy(self, path: str, place: str) -> None:
        target = os.path.join(self._top, place)
        if os.path.exists(target):
            return
        os.makedirs(os.path.dirname(target), exist_ok=True)
        try:
            shutil.copyfile(path, target)
        except OSError as error:
            log.warning("not in the crate: %s: %s", place, error)


def container(image: str, digest: str) -> tuple[str, dict[str, Any]]:
    """Return id and properties of the entity for an image."""
    name, _, _ = image.partition("@")
    path, colon, tag = name.rpartition(":")
    if not colon or "/" in tag:
        path, tag = name, "latest"
    registry, slash, rest = path.partition("/")
    if not slash or not ({".", ":"} & set(registry) or registry == "localhost"):
        registry, rest = "docker.io", path
    properties = {
        "@type": "ContainerImage",
        "additionalType": {"@id": f"{TERMS}#DockerImage"},
        "registry": registry,
        "name": rest,
        "tag": tag,
    }
    method, _, checksum = digest.partition(":")
    if method == "sha256":
        properties["sha256"] = checksum
    return f"#image-{urls.quoted(image)}-{checksum[:12]}", properties


def _is_file(value: Any) -> bool:
    return isinstance(value, Mapping) and value.get("class") in _KINDS
