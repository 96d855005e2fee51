"""``apptainer pull``: the image goes into the store, and a small file stands for it."""

from __future__ import annotations

import os
from contextlib import ExitStack

from dodas import whole
from dodas.containers.progress import OnProgress
from dodas.containers.reference import Reference
from dodas.errors import SpecError, StoreError
from dodas.shims.apptainer.images import (
    DOCKER,
    FROM_A_REGISTRY,
    LARGEST_MARKER,
    held_root,
    is_marker,
    is_named,
    marker,
    name_of,
)
from dodas.shims.apptainer.options import Unknown
from dodas.shims.words import Run


def pull(run: Run, places: list[str], progress: OnProgress) -> str:
    """Pull an image and write the file that stands for it, whole or not at all; return the file's path.

    An image that the store has is not asked for again.  A file that stands for this very image stays: with
    several at a time, of which each has seen that there was none, all but one would fail.

    Args:
        run: The command line.
        places: What there is in it beside options: ``[FILE] URL``.
        progress: Told what goes on.

    Raises:
        SpecError: Another file is there, or the name is not that of an image.
        ImageError: The image cannot be had.
        StoreError: The store or the file cannot be written.
        Unknown: Only apptainer itself can do it.
    """
    *files, url = places
    if not is_named(url):
        raise Unknown(f"pull {url}", FROM_A_REGISTRY)
    if files[1:] or "arch" in run.one:
        raise Unknown(f"pull {' '.join(files)}" if files[1:] else f"option --arch={run.one['arch']}")
    file = run.one.get("name") or (files[0] if files else _file_for(url))
    path = os.path.join(run.one.get("dir", ""), file)
    before = _content(path) if os.path.lexists(path) and "force" not in run.flags else None
    taken = SpecError(f"{path} is there already", hint="remove it, or add --force")
    if before is not None and not is_marker(before):
        raise taken  # before anything is pulled
    name = name_of(url, progress)
    with ExitStack() as held:
        content = marker(name, held_root(f"{DOCKER}{name}", progress, held).digest)
    if before is None:
        _write(path, content)
    elif before != content:
        raise taken
    return path


def _file_for(url: str) -> str:
    """Return what a file for an image is called if nobody says it, as apptainer has it."""
    if url.startswith(DOCKER):
        reference = Reference.parse(url)
        return f"{reference.repository.rpartition('/')[2]}_{reference.tag or 'latest'}.sif"
    base = os.path.basename(url.rpartition(":")[2])
    return f"{os.path.splitext(base)[0]}.sif"


def _content(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(LARGEST_MARKER)
    except OSError:
        return b""


def _write(path: str, content: bytes) -> None:
    try:
        whole.write(path, content, mode=0o666)
    except OSError as error:
        raise StoreError(f"cannot write {path}: {error.strerror}") from error
