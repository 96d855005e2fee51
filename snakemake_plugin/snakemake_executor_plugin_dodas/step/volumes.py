"""What a step in a container sees of this machine."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

from dodas.errors import SpecError
from dodas.step import Mount


def parse_volume(text: str) -> Mount:
    """Return the mount that ``HOST[:PATH][:ro|:rw]`` describes; read-only unless it says otherwise.

    Raises:
        SpecError: It is not of that form, or there is nothing at ``HOST``.
    """
    place, _, mode = text.rpartition(":")
    if mode not in {"ro", "rw"}:
        place, mode = text, "ro"
    host, _, target = place.partition(":")
    source = os.path.abspath(os.path.expanduser(host))
    if not host or not os.path.exists(source):
        raise SpecError(f"volume {text!r}: there is no {host!r}", hint="write HOST[:PATH][:ro|:rw]")
    return Mount(source=source, target=target or source, writable=mode == "rw")


def mounts(
    *, workdir: str, inputs: Iterable[str], outputs: Iterable[str], folders: Iterable[str] = ()
) -> tuple[Mount, ...]:
    """Return the mounts that show a job its files under the paths that it knows them by.

    The working directory is writable.  Outside of it the job sees its inputs, read-only, also those that a
    symbolic link leads to, and the directories that its outputs and logs go to, writable.  All are views:
    what of them belongs to the job is for its inputs and outputs to say.

    Args:
        workdir: Where relative paths start.
        inputs: Files or directories to read; absent ones are left out.
        outputs: Files or directories to be made; their parent directories exist.
        folders: Other directories to write to.
    """
    writable = {workdir, *folders, *(os.path.dirname(path) for path in _absolute(workdir, outputs))}
    readable = {path for path in _resolved(_absolute(workdir, inputs)) if os.path.exists(path)}
    wanted = dict.fromkeys(readable, False) | dict.fromkeys(writable, True)
    # Parents come first: a mount hides what was below its target before.
    return tuple(
        Mount(source=path, target=path, writable=wanted[path], whole=False)
        for path in sorted(wanted, key=lambda path: path.count("/"))
        if path == workdir or _adds(path, wanted)
    )


def _absolute(workdir: str, paths: Iterable[str]) -> Iterator[str]:
    for path in paths:
        yield os.path.normpath(os.path.join(workdir, path))


def _resolved(paths: Iterable[str]) -> Iterator[str]:
    for path in paths:
        yield path
        yield os.path.realpath(path)


def _adds(path: str, wanted: dict[str, bool]) -> bool:
    """Return whether no mount above ``path`` shows it already, as writable as it has to be."""
    above = _nearest(path, wanted)
    return path != "/" and (above is None or (wanted[path] and not wanted[above]))


def _nearest(path: str, wanted: dict[str, bool]) -> str | None:
    while path != "/":
        path = os.path.dirname(path)
        if path in wanted and path != "/":
            return path
    return None
