"""A ``DockerRequirement`` as the name of an image in the store (CWL v1.2, DockerRequirement)."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping
from typing import Any

import requests

from dodas.containers import archives
from dodas.containers.store import Store, lookup
from dodas.errors import DodasError, ImageNotFound, SpecError
from dodas_cwl.reference import UnsupportedRequirement, WorkflowException, log

_SOURCES = {"dockerLoad": "_load", "dockerImport": "_import"}
_HTTP = ("http://", "https://")


class Images:
    """Finds the name to run for each requirement; an archive is loaded once.

    Args:
        store: Directory of the image store; ``None`` for the user's own.
    """

    def __init__(self, store: str | None = None) -> None:
        self._root = store
        self._names: dict[tuple[str, str, str], str] = {}

    def check(self, requirement: Mapping[str, Any]) -> None:
        """See that the image can be had at all.

        Raises:
            UnsupportedRequirement: It would have to be built.
        """
        if "dockerFile" in requirement and not requirement.keys() & {"dockerPull", *_SOURCES}:
            if self._has(requirement.get("dockerImageId")):
                return
            raise UnsupportedRequirement(
                "dockerFile is not supported: nothing here can build an image.  Build it elsewhere and load"
                " it under its dockerImageId, name it by dockerPull, or hand over an archive by dockerLoad"
            )

    def name(self, requirement: Mapping[str, Any]) -> str:
        """Return the name of the image; loads an archive, leaves pulling to whoever runs the step.

        Raises:
            UnsupportedRequirement: It would have to be built.
            WorkflowException: There is no name, or the archive cannot be had.
        """
        pull, own = (str(requirement.get(field) or "") for field in ("dockerPull", "dockerImageId"))
        source = next((field for field in _SOURCES if field in requirement), "")
        key = (pull or str(requirement.get(source)), own, source)
        if key not in self._names:
            self.check(requirement)
            # What is here under the name that the image shall have is what is meant (CWL, dockerImageId).
            if own and self._has(own):
                self._names[key] = own
            elif source and not pull:
                self._names[key] = _plainly(getattr(self, _SOURCES[source]), key[0], own)
            elif not (pull or own):
                raise WorkflowException("the DockerRequirement names no image; it needs a dockerPull")
            else:
                self._names[key] = pull or own
        return self._names[key]

    def _has(self, name: str | None) -> bool:
        try:
            return bool(name) and lookup(self._store(), str(name)) is not None
        except (ImageNotFound, SpecError):
            return False

    def _load(self, source: str, name: str) -> str:
        with _Local(source) as path:
            images = archives.load(self._store(), path)
            if not name:
                if len(images) > 1:
                    raise SpecError(f"it holds {len(images)} images", hint="say which one by dockerImageId")
                return images[0].name
            if not self._has(name):
                archives.load(self._store(), path, name=name)
        return name

    def _import(self, source: str, name: str) -> str:
        if not name:
            raise SpecError("dockerImport needs a dockerImageId, the name that the image shall have")
        with _Local(source) as path:
            archives.import_tar(self._store(), path, name)
        return name

    def _store(self) -> Store:
        return Store(self._root)


class _Local:
    """A file that may be a URL, as a local path while the context lasts."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._copy: str | None = None

    def __enter__(self) -> str:
        if not self._source.startswith(_HTTP):
            return self._source.removeprefix("file://")
        descriptor, self._copy = tempfile.mkstemp(prefix="dodas-image-")
        with os.fdopen(descriptor, "wb") as file:
            _download(self._source, file)
        return self._copy

    def __exit__(self, *_: object) -> None:
        if self._copy is not None:
            os.unlink(self._copy)


def _download(url: str, file: Any) -> None:
    log.info("getting image %s", url)
    with requests.get(url, stream=True, timeout=60) as answer:
        answer.raise_for_status()
        for chunk in answer.iter_content(1 << 20):
            file.write(chunk)


def _plainly(load: Callable[[str, str], str], source: str, name: str) -> str:
    try:
        return load(source, name)
    except (DodasError, OSError, requests.RequestException) as error:
        hint = getattr(error, "hint", "")
        raise WorkflowException(f"no image from {source}: {error}" + (f"; {hint}" if hint else "")) from error
