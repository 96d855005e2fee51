"""An output object and its files, as an entry of :mod:`dodas.reuse` holds them."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from dodas.reuse.trees import Bringer, Unkeepable
from dodas_cwl import translate
from dodas_cwl.reference import file_uri, uri_file_path

_HERE = "entry:"  # what stands for the place of the files
_MADE, _OTHER = "made", "other"


def pack(outputs: Any, outdir: str, bringer: Bringer, private: Collection[str]) -> Any:
    """Bring the files of an output object into an entry; return the object with names of files there.

    Args:
        outputs: The output object of a job, which stays as it is.
        outdir: Output directory of the job.
        bringer: Brings files.
        private: Paths that mean nothing in another run.

    Raises:
        Unkeepable: Its files are at URLs, or it names what only this run has.
        OSError: A file cannot be read, or there is no room.
    """
    packed = translate.plain(outputs)
    names = _Names(outdir)
    files = [(_path(value), value) for value in translate.files(packed) if not _is_literal(value)]
    # Directories first, the outer ones before the inner: what has come with one need not come again.
    for path, value in sorted(files, key=lambda pair: (pair[1]["class"], len(pair[0]))):
        name = names.name(path)
        bringer.bring(path, name)
        value["location"] = _HERE + name
    for text in _texts(packed):
        if any(path in text for path in private):
            raise Unkeepable("its outputs name a directory that only this run has")
    return packed


def unpack(outputs: Any, top: str) -> Any:
    """Return an output object as the job gave it, with the places of its files in an entry.

    Args:
        outputs: What :func:`pack` returned.
        top: Directory of the entry's files.
    """
    unpacked = translate.plain(outputs)
    for value in translate.files(unpacked):
        if str(value.get("location", "")).startswith(_HERE):
            value["location"] = file_uri(os.path.join(top, value["location"].removeprefix(_HERE)))
    return unpacked


def give_out(outputs: Any, kept: str, top: str) -> None:
    """Replace files of entries in an output object by copies, which the user may do with as he likes.

    Args:
        outputs: The output object, which is changed.
        kept: Directory of the entries.
        top: Directory for the copies, in the one that they will be moved to.

    Raises:
        OSError: A file cannot be read, or there is no room.
        Unkeepable: A file is none any more.
    """
    copies = dict[str, str]()
    for path, value, bringer in sorted(_places(outputs, top), key=lambda one: (one[1]["class"], len(one[0]))):
        if path.startswith(kept + "/"):
            copy = _copied(path, copies)
            if not copy:
                name = os.path.join(str(len(copies)), os.path.basename(path))
                bringer.bring(path, name)
                copy = copies[path] = os.path.join(top, name)
            value["location"] = file_uri(copy)
            value.pop("path", None)


def _places(outputs: Any, top: str) -> Iterator[tuple[str, dict[str, Any], Bringer]]:
    """Yield path, value and what brings it, of all files and directories in an output object."""
    as_they_are, resolved = Bringer(top), Bringer(top, links=False)
    for outer in _outer(outputs):
        # Where a directory is merged into one of an earlier run, cwltool moves what a link leads to instead.
        there = os.path.lexists(os.path.join(os.path.dirname(top), str(outer.get("basename", ""))))
        for value in translate.files(outer):
            location = str(value.get("location", ""))
            if location.startswith("file:"):
                yield uri_file_path(location).rstrip("/"), value, resolved if there else as_they_are


def _outer(value: Any) -> Iterator[dict[str, Any]]:
    """Yield files and directories that are in no other one."""
    if isinstance(value, dict) and value.get("class") in ("File", "Directory"):
        yield value
    elif isinstance(value, (dict, list)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _outer(item)


def _copied(path: str, copies: Mapping[str, str]) -> str:
    """Return where a file has come with something that it is in; empty if it has not come."""
    above = path
    while above not in copies and above != "/":
        above = os.path.dirname(above)
    return copies[above] + path[len(above) :] if above in copies else ""


def put_away(paths: Collection[str]) -> None:
    """Remove files of which an entry has taken over the content."""
    for path in paths:
        try:
            os.unlink(path)
        except OSError:  # it goes with the run
            continue


class _Names:
    """Gives each path its name in an entry."""

    def __init__(self, outdir: str) -> None:
        self._outdirs = (outdir, os.path.realpath(outdir))
        self._others: dict[str, str] = {}

    def name(self, path: str) -> str:
        for outdir in self._outdirs:
            if path == outdir:
                return _MADE
            if path.startswith(outdir + "/"):
                return os.path.join(_MADE, os.path.normpath(path[len(outdir) + 1 :]))
        number = len(self._others)
        return self._others.setdefault(path, os.path.join(_OTHER, str(number), os.path.basename(path)))


def _is_literal(value: dict[str, Any]) -> bool:
    return str(value.get("location", "_:")).startswith("_:")


def _path(value: dict[str, Any]) -> str:
    location = str(value["location"])
    path = uri_file_path(location) if location.startswith("file:") else location
    # A link made of a URL stands for what is there.
    if not path.startswith("/") or not os.path.exists(path):
        raise Unkeepable(f"{location} is not on this machine")
    return path.rstrip("/")


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, dict):
        for name, item in value.items():
            yield name
            yield from _texts(item)
    elif isinstance(value, str):
        yield value
