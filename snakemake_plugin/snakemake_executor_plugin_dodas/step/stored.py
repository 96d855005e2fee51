"""Files on storage that steps bring and publish themselves.

Where Snakemake may not work as if jobs saw its files, it leaves files on storage to the job: it neither
retrieves inputs nor stores outputs.  A second Snakemake would do both.  If the storage is one that dodas can
reach, see :class:`Reachable`, the step does, wherever it runs, and nothing passes through this machine.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from dodas.step import Result
from snakemake_executor_plugin_dodas import releases
from snakemake_executor_plugin_dodas.course.kinds import has_command

# What the main process sees to where it sees files.
_FLAGS = ("update", "ensure", "protected", "pipe", "service", "nodelocal", "template")


@runtime_checkable
class Reachable(Protocol):
    """A storage object whose file dodas can bring and publish by itself."""

    provider: Any

    def step_source(self) -> str:
        """Return the URL of an input; that of a directory ends with a slash."""

    def step_destination(self) -> str:
        """Return the URL of an output."""

    def size(self) -> int:
        """Return its bytes."""

    def mtime(self) -> float:
        """Return when it was changed."""

    def was_published(self, sizes: Mapping[str, int]) -> None:
        """Take note of what steps have published, by URLs."""


@dataclass(frozen=True, slots=True)
class Stored:
    """The files of a job that are on storage: where they are, by absolute local path.

    Attributes:
        sources: Of inputs.
        destinations: Of outputs and logs.
        versions: Of inputs, in the order of their paths: their sizes, and when they were changed.
    """

    sources: Mapping[str, str] = field(default_factory=dict)
    destinations: Mapping[str, str] = field(default_factory=dict)
    versions: tuple[tuple[int, float], ...] = ()


NOTHING = Stored()


def is_left(path: Any) -> bool:
    """Return whether an input is a URL for the command, which reads it by itself."""
    return bool(path.is_storage and not path.storage_object.retrieve)


def obstacle(job: Any) -> str:
    """Return what of a single job keeps its step from bringing and publishing files, for people."""
    if not has_command(job) or releases.cache_of(job) is not None:
        return "it is no shell, script, wrapper or notebook rule, or uses the cache between workflows"
    if job.is_shadow:
        return "it has a shadow directory"
    for path in (*job.output, *job.log):
        flag = next((flag for flag in _FLAGS if flag in path.flags), None)
        if flag is not None:
            return f"{path} is flagged with {flag}"
    foreign = (
        path for path in _all(job) if path.is_storage and not isinstance(path.storage_object, Reachable)
    )
    path = next(foreign, None)
    return "" if path is None else f"{path.storage_object.print_query} is on a storage of another kind"


def files(job: Any, workdir: str) -> Stored:
    """Return where the files of ``job`` are, and let steps have the settings of the storage."""
    for path in _all(job):
        if path.is_storage:
            os.environ.update(path.storage_object.provider.step_environment())
    inputs = sorted({path for path in job.input if path.is_storage and not is_left(path)}, key=str)
    return Stored(
        sources={_absolute(path, workdir): path.storage_object.step_source() for path in inputs},
        destinations={
            _absolute(path, workdir): path.storage_object.step_destination()
            for path in (*job.output, *job.log)
            if path.is_storage
        },
        versions=tuple((path.storage_object.size(), path.storage_object.mtime()) for path in inputs),
    )


def settle(job: Any, results: Sequence[Result], run: Callable[[Coroutine[Any, Any, Any]], Any]) -> None:
    """Do what is left to do when the steps of ``job`` have published what they made.

    Args:
        job: The job.
        results: Of its steps.
        run: Awaits a coroutine.
    """
    sizes = {file.path: file.size for result in results for file in result.outputs}
    for path in job.output:
        if "touch" in path.flags:
            path.touch_or_create()
            _store(path, run)
        elif path.is_storage:
            path.storage_object.was_published(sizes)
    if job.benchmark:
        _store(job.benchmark, run)
    for path in (*job.output, *job.log):
        if path.is_storage:
            run(path.remove(remove_non_empty_dir=True, only_local=True))


def _store(path: Any, run: Callable[[Coroutine[Any, Any, Any]], Any]) -> None:
    if path.is_storage:
        run(path.storage_object.managed_store())
        run(path.remove(only_local=True))


def _all(job: Any) -> Iterable[Any]:
    return (*job.input, *job.output, *job.log, *([job.benchmark] if job.benchmark else []))


def _absolute(path: Any, workdir: str) -> str:
    return os.path.normpath(os.path.join(workdir, path))
