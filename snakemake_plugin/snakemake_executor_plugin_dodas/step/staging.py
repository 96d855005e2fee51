"""What a job takes along, and what it brings back, where its step does not see this machine's files.

A step that sees them has them all the same: it costs nothing to say so.
"""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterable, Iterator
from importlib import import_module
from typing import Any

from dodas.step import Input, Mount, Output
from snakemake_executor_plugin_dodas.command.command import Command
from snakemake_executor_plugin_dodas.step.stored import NOTHING, Stored, is_left

# A script may import or source what lies beside it.  Larger files there are hardly code.
_CODE = frozenset({".py", ".r", ".jl", ".sh", ".pl", ".lua", ".hy", ".xsh", ".rs"})
_LARGEST_CODE = 1 << 20


def inputs(job: Any, command: Command, workdir: str, stored: Stored = NOTHING) -> tuple[Input, ...]:
    """Return the files and directories that the command of ``job`` reads, under their own paths.

    Args:
        job: A single job.
        command: Its command.
        workdir: Where relative paths start.
        stored: Those that the step has to bring from storage.
    """
    paths = [
        *(str(path) for path in job.input if not is_left(path)),
        *_updated(job),
        *command.files,
        *command.folders,
        *_code(job, command),
    ]
    absolute = dict.fromkeys(os.path.normpath(os.path.join(workdir, path)) for path in paths)
    return tuple(Input(source=stored.sources.get(path, path), target=path) for path in absolute)


def outputs(job: Any, workdir: str, *, shadowed: bool = True, stored: Stored = NOTHING) -> tuple[Output, ...]:
    """Return what the command of ``job`` makes.

    Logs may be missing, and so may what ``touch()`` makes afterwards.

    Args:
        job: A single job that was prepared.
        workdir: Where relative paths start.
        shadowed: Whether the command works in the directory that ``shadow:`` made, if it made one.
            Otherwise its files only go there.
        stored: Those that the step has to publish on storage.
    """
    home = os.path.abspath(job.shadow_dir) if job.shadow_dir else workdir
    place = home if shadowed else workdir
    wanted = dict.fromkeys(job.log._plainstrings(), True)
    wanted |= {str(path): _is_flagged(path, "touch") for path in job.output}
    ends = {path: os.path.normpath(os.path.join(home, path)) for path in wanted}
    return tuple(
        Output(
            path=os.path.normpath(os.path.join(place, path)),
            destination=stored.destinations.get(end, end),
            optional=wanted[path],
        )
        for path, end in ends.items()
    )


def odd_places(outputs: Iterable[str], workdir: str) -> Iterator[Mount]:
    """Yield mounts for the directories of ``outputs`` whose names could be taken for patterns.

    A step makes the directories of its outputs, but not those that a pattern is to match.
    """
    for path in outputs:
        folder = os.path.dirname(os.path.normpath(os.path.join(workdir, path)))
        if glob.has_magic(folder):
            yield Mount(source=folder, target=folder, writable=True, whole=False)


def sources(job: Any) -> Iterator[str]:
    """Yield where the code of a job lies: Snakemake's cache of sources, the directory of its script."""
    workflow = job.rule.workflow
    paths = getattr(workflow, "runtime_paths", None)
    yield from map(str, [workflow.sourcecache.runtime_cache_path] if paths is None else paths)
    path = _script_path(job)
    if os.path.isabs(path):
        yield os.path.dirname(path)


def _script_path(job: Any) -> str:
    """Return the path or URL of a rule's script or notebook, empty if it has none."""
    script = job.rule.script or job.rule.notebook
    return str(job._path_to_source_file(script).get_path_or_uri(secret_free=True)) if script else ""


def runtime_cache(job: Any) -> str:
    """Return the directory where Snakemake keeps sources for the time of this run; its name is random."""
    return str(job.rule.workflow.sourcecache.runtime_cache_path)


def _code(job: Any, command: Command) -> Iterator[str]:
    """Yield the files and directories that the code of a job may need besides itself."""
    cache = runtime_cache(job)
    if os.path.isdir(cache) and os.listdir(cache):
        yield cache
    yield from _cached(command, str(job.rule.workflow.sourcecache.cache_path))
    path = _script_path(job)
    if path and os.path.exists(path):
        with os.scandir(os.path.dirname(os.path.abspath(path))) as entries:
            yield from sorted(entry.path for entry in entries if _is_code(entry))


def _cached(command: Command, cache: str) -> Iterator[str]:
    """Yield what a command names of the sources that Snakemake keeps for ever, and for all workflows."""
    for text in (command.text, *map(_read, command.files)):
        for path in re.findall(rf"{re.escape(cache)}/[^'\"\s\\,;()]+", text):
            if os.path.isfile(path):
                yield path


def _read(path: str) -> str:
    with open(path, errors="surrogateescape") as file:
        return file.read()


def _is_code(entry: os.DirEntry[str]) -> bool:
    if entry.is_dir():
        return os.path.isfile(os.path.join(entry.path, "__init__.py"))
    suffix = os.path.splitext(entry.name)[1].lower()
    return suffix in _CODE and entry.is_file() and entry.stat().st_size <= _LARGEST_CODE


def _updated(job: Any) -> Iterable[str]:
    return [str(path) for path in job.output if _is_flagged(path, "update") and os.path.exists(path)]


def _is_flagged(path: Any, flag: str) -> bool:
    return bool(import_module("snakemake.io").is_flagged(path, flag))
