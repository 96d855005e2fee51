"""Symbolic links that a container left among its outputs.

A link says where to look, and inside the container that was another place.  Followed on the host it could
hand out any file of the user, or the wrong one.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress

from dodas.staging import urls
from dodas.step import Input, Mount

_LONGEST_CHAIN = 40  # as Linux, path_resolution(7)


def changes(outdir: str, mounts: Sequence[Mount], inputs: Sequence[Input] = ()) -> dict[str, str | None]:
    """Return what links below ``outdir`` must become, so that they mean what they meant in the container.

    Those to outputs become relative, those to inputs lead to the input on the host, or are made of its URL if
    it was fetched; all others are removed, also those to a directory they are in, which who lists or copies
    outputs would follow for ever.

    Args:
        outdir: Output directory on the host, the source of one of ``mounts``.
        mounts: What a link may lead to.
        inputs: What was fetched, to which it may also lead.

    Returns:
        By path in ``outdir``: where the link will lead; ``None`` for one that goes.
    """
    view = _View(mounts)
    outer = os.path.realpath(outdir)
    inner = next(mount.target for mount in mounts if mount.source == outer)
    found: dict[str, str | None] = {}
    for link in _links(outer):
        end = view.resolve(inner + link[len(outer) :])
        url = "" if end is None else _url(end, inputs)
        if url:
            found[os.path.relpath(link, outer)] = url
            continue
        real = None if end is None else view.host(end)
        if real is None or (link + "/").startswith(real + "/"):
            found[os.path.relpath(link, outer)] = None
        elif os.path.realpath(link) != os.path.realpath(real):
            found[os.path.relpath(link, outer)] = _text(real, link, outer)
    return found


def to_inputs(outdir: str, inputs: Sequence[Input]) -> dict[str, str | None]:
    """Return what links of a step on the host must become that lead to what was fetched: made of its URL.

    Args:
        outdir: Output directory.
        inputs: What was fetched, and has gone with the step.
    """
    found: dict[str, str | None] = {}
    for link in _links(outdir) if inputs else ():
        target = os.path.normpath(os.path.join(os.path.dirname(link), os.readlink(link)))
        url = _url(target, inputs)
        if url:
            found[os.path.relpath(link, outdir)] = url
    return found


def settle(outdir: str, changed: Mapping[str, str | None]) -> list[str]:
    """Make the changes that :func:`changes` found; doing so again does no harm.

    Returns:
        What was removed, as ``name -> where it led``.
    """
    removed = []
    for name, text in changed.items():
        link = os.path.join(outdir, name)
        with suppress(FileNotFoundError):
            if text is None:
                removed.append(f"{name} -> {os.readlink(link)}")
            os.unlink(link)
        if text is not None:
            os.symlink(text, link)
    return removed


def _url(path: str, inputs: Sequence[Input]) -> str:
    """Return the URL of what a step sees as ``path``; empty if that was not fetched."""
    for item in inputs:
        if path == item.target:
            return item.source.rstrip("/")
        if item.source.endswith("/") and path.startswith(item.target + "/"):
            return str(urls.join(urls.parse(item.source), path[len(item.target) + 1 :]))
    return ""


class _View:
    """The file system of a container, as far as it is made of mounts."""

    def __init__(self, mounts: Sequence[Mount]) -> None:
        # The last of two on the same place is the one that is seen, the deeper one hides what is below it.
        self._mounts = sorted(reversed(mounts), key=lambda mount: -len(mount.target))

    def host(self, path: str) -> str | None:
        """Return where a path without links is on the host; ``None`` if in no mount."""
        for mount in self._mounts:
            if path == mount.target:
                return mount.source
            if path.startswith(mount.target + "/"):
                return mount.source + path[len(mount.target) :]
        return None

    def resolve(self, path: str) -> str | None:
        """Return the path that all links lead to; ``None`` if they never end."""
        parts, done, hops = deque(path.split("/")), "", 0
        while parts:
            part = parts.popleft()
            if part == "..":
                done = done.rpartition("/")[0]
            elif part not in ("", "."):
                place = self.host(f"{done}/{part}")
                if place is None or not os.path.islink(place):
                    done = f"{done}/{part}"
                    continue
                hops += 1
                if hops > _LONGEST_CHAIN:
                    return None
                text = os.readlink(place)
                done = "" if text.startswith("/") else done
                parts.extendleft(reversed(text.split("/")))
        return done or "/"


def _links(directory: str) -> Iterator[str]:
    for entry in list(os.scandir(directory)):
        if entry.is_symlink():
            yield entry.path
        elif entry.is_dir(follow_symlinks=False):
            yield from _links(entry.path)


def _text(real: str, link: str, outer: str) -> str:
    inside = real == outer or real.startswith(outer + "/")
    return os.path.relpath(real, os.path.dirname(link)) if inside else real
