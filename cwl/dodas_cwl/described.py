"""Sizes, checksums and places of what a step made."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from typing import Any

from dodas.step import OutputFile
from dodas_cwl.access import Access
from dodas_cwl.reference import compute_checksums, uri_file_path, visit_class
from dodas_cwl.remote import location_of, moved


def describe(outputs: Any, access: Access, made: Mapping[str, OutputFile], *, checksum: bool) -> None:
    """Add what is known of the files of an output object; nothing at a URL is fetched for that.

    Args:
        outputs: The output object, which is changed.
        access: Looks at files.
        made: What the step itself brought to a storage, by URL.
        checksum: Whether checksums are wanted.
    """
    access.learn(made.values())
    visit_class(outputs, ("File",), partial(_describe, access, made, checksum))
    visit_class(outputs, ("Directory",), partial(_relocate, made))


def _describe(access: Access, made: Mapping[str, OutputFile], checksum: bool, file: Any) -> None:
    url = location_of(file)
    if url:
        file["location"] = url
        with suppress(OSError):
            file.setdefault("size", access.size(url))
        if checksum and url in made:
            file.setdefault("checksum", made[url].checksum)
    elif checksum:
        compute_checksums(access, file)


def _relocate(made: Mapping[str, OutputFile], directory: Any) -> None:
    """Let a directory whose files went to a storage be the one there."""
    location = str(directory["location"])
    if made and location.startswith("file:"):
        directory["location"] = moved(uri_file_path(location), made) or location
