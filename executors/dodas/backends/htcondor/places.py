"""Where a step's files belong, when the step that asks for them is not quite the one that was submitted.

A run that was interrupted and started again may have other temporary directories: what the first one's step
made in its directories belongs into those of the second one's.
"""

from __future__ import annotations

import os
import posixpath
import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace

from dodas.containers.removal import remove_tree
from dodas.errors import TransferError
from dodas.step import OutputFile, Result, Step
from dodas.worker.remote import is_remote


def moves(old: Step, new: Step) -> dict[str, str]:
    """Return where each place that ``old`` writes to is for ``new``."""
    pairs = list(_homes(old, new))
    pairs += [(was.destination, now.destination) for was, now in zip(old.outputs, new.outputs, strict=False)]
    pairs += [(was, now) for was, now in ((old.stdout, new.stdout), (old.stderr, new.stderr)) if was and now]
    return {
        posixpath.normpath(was): posixpath.normpath(now)
        for was, now in pairs
        if was != now and not is_remote(was) and not is_remote(now)
    }


def _homes(old: Step, new: Step) -> Iterator[tuple[str, str]]:
    """Yield the directories that are all the step's, before and now: by their name in the container."""
    before, now = ([mount for mount in step.mounts if mount.writable and mount.whole] for step in (old, new))
    there = {posixpath.normpath(mount.target): mount.source for mount in now}
    for index, mount in enumerate(before):
        target = posixpath.normpath(mount.target)
        if target in there:
            yield mount.source, there[target]
        elif old.image is None and len(before) == len(now):  # there they have the names they have here
            yield mount.source, now[index].source


def moved(path: str, table: Mapping[str, str]) -> str:
    """Return where ``path`` belongs."""
    top = posixpath.normpath(path)
    while top not in table:
        parent = posixpath.dirname(top)
        if parent == top:
            return path
        top = parent
    return posixpath.normpath(posixpath.join(table[top], posixpath.relpath(posixpath.normpath(path), top)))


def relocated(result: Result, step: str, table: Mapping[str, str]) -> Result:
    """Return the result as that of the step ``step``, with its files where they are now."""
    return replace(
        result,
        step=step,
        outputs=tuple(replace(file, path=moved(file.path, table)) for file in result.outputs),
        stdout=result.stdout and moved(result.stdout, table),
        stderr=result.stderr and moved(result.stderr, table),
    )


def move(table: Mapping[str, str]) -> None:
    """Move what was made; what is in the way is replaced.

    Raises:
        TransferError: The disk does not take it.
    """
    for source, target in table.items():
        if not os.path.lexists(source):
            continue
        try:
            os.makedirs(os.path.dirname(target), exist_ok=True)
            with suppress(FileNotFoundError):
                remove_tree(target) if os.path.isdir(target) else os.unlink(target)
            shutil.move(source, target)
        except OSError as error:
            raise TransferError(f"cannot move {source} to {target}: {error.strerror}") from error


def are_there(step: Step, files: tuple[OutputFile, ...]) -> bool:
    """Return whether what ``step`` made is still where it was put."""
    homes = [mount.source for mount in step.mounts if mount.writable and mount.whole]
    if not all(os.path.exists(home) for home in homes):
        return False
    with suppress(OSError):
        # What is at URLs is looked for by whoever wants it next.
        here = [file for file in files if not is_remote(file.path)]
        return all(os.stat(file.path).st_size == file.size for file in here)
    return False
