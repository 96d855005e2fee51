"""From one job of Snakemake to one step of dodas."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol

from dodas.step import Mount, Step
from snakemake_executor_plugin_dodas.allotment import Ceiling, allot
from snakemake_executor_plugin_dodas.command import Command
from snakemake_executor_plugin_dodas.modes import is_simultaneous
from snakemake_executor_plugin_dodas.releases import script_path
from snakemake_executor_plugin_dodas.volumes import mounts

# Set by Snakemake for every command; the other variables of the host stay outside of containers.
_THREADS = ("OMP", "GOTO", "OPENBLAS", "MKL", "VECLIB", "NUMEXPR")
_SHOWN = {*(f"{library}_NUM_THREADS" for library in _THREADS), "TMPDIR", "TMP", "TEMPDIR", "TEMP"}
_LOCALE = ("LANG", "LANGUAGE", "TZ")
CONTAINER_TMPDIR = "/tmp"  # noqa: S108 - in a container, where it belongs to the step alone
_SEARCH_PATHS = "/mnt/snakemake_searchpaths"  # where snakemake.deployment.singularity looks for itself


class Worker(Protocol):
    """Makes the command line of a second Snakemake."""

    def __call__(self, job: Any, cores: int) -> str:
        """Return what a shell has to run for ``job``, which may keep ``cores`` busy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What all jobs of a run share.

    Attributes:
        workdir: Snakemake's working directory.
        logs: Directory for what steps print.
        declared: Variables of ``envvars:`` and of storage plugins.
        guesses: See :func:`~snakemake_executor_plugin_dodas.releases.own_guesses`.
        ceiling: The most that one step can get.
        volumes: What the user shows to all containers.
        network: Whether containers reach the network.
    """

    workdir: str
    logs: str
    declared: Mapping[str, str]
    guesses: Mapping[str, object]
    ceiling: Ceiling
    volumes: tuple[Mount, ...] = ()
    network: bool = True

    def host_step(self, job: Any, name: str, command: Command) -> Step:
        """Return the step that runs ``command`` without a container, in the environment Snakemake has."""
        return self._step(
            job,
            name,
            argv=(command.shell, "-c", command.text),
            env={**command.env, **self.declared},
            cwd=os.path.abspath(job.shadow_dir) if job.shadow_dir else self.workdir,
        )

    def container_step(self, job: Any, name: str, command: Command, image: str) -> Step:
        """Return the step that runs ``command`` in ``image``."""
        return self._step(
            job,
            name,
            argv=(os.path.basename(command.shell), "-c", command.text),
            env={**_visible(command.env), **self.declared, "HOME": self.workdir},
            cwd=os.path.abspath(job.shadow_dir) if job.shadow_dir else self.workdir,
            image=image,
            mounts=self._mounts(job, command),
            network=self.network,
        )

    def worker_step(self, job: Any, name: str, worker: Worker) -> Step:
        """Return the step that runs ``job`` in a second Snakemake."""
        resources = allot(job, self.guesses, self.ceiling)
        # Jobs that are tied by pipes and services run at once or not at all, even where there is less.
        cores = job.threads if is_simultaneous(job) else resources.cores
        command = worker(job, max(1, int(cores)))
        env = {**os.environ, **self.declared}
        return self._step(
            job, name, argv=("/bin/sh", "-c", command), env=env, cwd=self.workdir, resources=resources
        )

    def _step(self, job: Any, name: str, *, env: Mapping[str, str], **rest: Any) -> Step:
        rest.setdefault("resources", allot(job, self.guesses, self.ceiling))
        return Step(
            id=name,
            name=job.name,
            env=tuple(env.items()),
            stdout=os.path.join(self.logs, f"{name}.out"),
            stderr=os.path.join(self.logs, f"{name}.err"),
            attempt=job.attempt,
            **rest,
        )

    def _mounts(self, job: Any, command: Command) -> tuple[Mount, ...]:
        folders = [*command.folders, job.shadow_dir, _chosen_tmpdir(job)]
        own = mounts(
            workdir=self.workdir,
            inputs=(*job.input._plainstrings(), *_sources(job)),
            outputs=(*job.output._plainstrings(), *job.log._plainstrings(), *command.files),
            folders=[os.path.abspath(folder) for folder in folders if folder],
        )
        return own + (_search_paths() if command.python else ()) + self.volumes


def _visible(env: Mapping[str, str]) -> dict[str, str]:
    """Return what a container gets of the environment that Snakemake made for the host."""
    return {
        name: value
        for name, value in env.items()
        if name in _SHOWN or name in _LOCALE or name.startswith("LC_") or os.environ.get(name) != value
    }


def _chosen_tmpdir(job: Any) -> str | None:
    tmpdir = job.resources.get("tmpdir")
    return tmpdir if isinstance(tmpdir, str) and tmpdir != CONTAINER_TMPDIR else None


def _sources(job: Any) -> Iterator[str]:
    """Yield where the code of a job lies: Snakemake's cache of sources, the directory of its script."""
    yield from map(str, _runtime_paths(job.rule.workflow))
    path = script_path(job)
    if os.path.isabs(path):
        yield os.path.dirname(path)


def _runtime_paths(workflow: Any) -> Iterable[Any]:
    paths = getattr(workflow, "runtime_paths", None)
    return [workflow.sourcecache.runtime_cache_path] if paths is None else paths


def _search_paths() -> tuple[Mount, ...]:
    """Return mounts that let a script's preamble import Snakemake from this installation."""
    paths = enumerate(import_module("snakemake.common").get_snakemake_searchpaths())
    return tuple(Mount(source=os.path.abspath(path), target=f"{_SEARCH_PATHS}/item_{i}") for i, path in paths)
