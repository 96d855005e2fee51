"""What ``--volume`` and ``--device`` show of this machine."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

from dodas.errors import SpecError

Mount = tuple[str, str, bool]
"""Source on this machine, target in the container, whether it may be written."""

_MODES = {"ro": False, "rw": True, "z": True, "Z": True}  # z and Z are SELinux's; they change nothing here
# Where cwltool puts the inputs of a tool.  They are read-only, but it takes the `:ro` out of what it tells
# udocker, which does not know it (cwltool/job.py, ContainerCommandLineJob.create_runtime).
_INPUTS_OF_CWLTOOL = "/var/lib/cwl/stg"
# udocker shows all of /dev.  Of what a step does not have anyway, this is used by programs.
_DEVICES = ("nvidia", "dri", "kfd", "infiniband", "fuse")
_NEED_NOT_BE_THERE = (
    "/lib/modules",
    "/etc/host.conf",
    "/usr/lib64/dri",
    "/lib64/dri",
    "/usr/lib/dri",
    "/lib/dri",
)


def mounts(volumes: Iterable[str]) -> Iterator[Mount]:
    """Yield the mounts that volumes mean: ``HOST[:PATH][:ro|rw]``, with colons in either path.

    Raises:
        SpecError: One of them means none.
    """
    for text in volumes:
        source, target, writable = parts(text)
        if source in _NEED_NOT_BE_THERE and not os.path.exists(source):
            continue
        if not source.startswith("/") or not os.path.exists(source):
            raise SpecError(
                f"invalid host volume path: {source}", hint="give the absolute path of what is there"
            )
        if not target.startswith("/") or target == "/":
            raise SpecError(
                f"invalid container volume path: {target}",
                hint="write HOST:PATH, both absolute, or HOST:PATH:ro",
            )
        yield source, target, writable and not target.startswith(_INPUTS_OF_CWLTOOL)


def devices(asked: Iterable[str]) -> tuple[str, ...]:
    """Return the device files that are shown: those asked for, and those that udocker shows in any case."""
    found = [text.partition(":")[0] for text in asked]
    for name in sorted(_names("/dev")):
        path = f"/dev/{name}"
        if name.startswith(_DEVICES):
            found += [f"{path}/{file}" for file in sorted(_names(path))] if os.path.isdir(path) else [path]
    return tuple(dict.fromkeys(path for path in found if os.path.exists(path) and not os.path.isdir(path)))


def parts(text: str) -> Mount:
    """Return source, target and whether it may be written, of ``HOST[:PATH][:ro|rw]``.

    The first colon after which a path begins and before which there is something ends the source; where that
    is so at none, the first colon does, as for udocker.
    """
    path, colon, mode = text.rpartition(":")
    writable = True
    if colon and mode in _MODES:
        text, writable = path, _MODES[mode]
    splits = [
        place for place, letter in enumerate(text) if letter == ":" and text[place + 1 : place + 2] == "/"
    ]
    place = next((place for place in splits if os.path.exists(text[:place])), None)
    if place is not None:
        source, target = text[:place], text[place + 1 :]
    elif os.path.exists(text):
        source = target = text
    else:
        source, _, target = text.partition(":")
    return _clean(source), _clean(target or source), writable


def _clean(path: str) -> str:
    """Return a path without needless slashes; what `..` means depends on links, and stays."""
    return "/" + "/".join(filter(None, path.split("/"))) if path.startswith("/") else path


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []
