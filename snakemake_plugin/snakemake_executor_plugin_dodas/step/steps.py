"""From one job of Snakemake to one step of dodas."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol

from dodas.errors import SpecError
from dodas.step import Input, Mount, Step
from snakemake_executor_plugin_dodas import coming
from snakemake_executor_plugin_dodas.command import library
from snakemake_executor_plugin_dodas.command.command import Command
from snakemake_executor_plugin_dodas.course.kinds import is_simultaneous
from snakemake_executor_plugin_dodas.second.images import Apptainer
from snakemake_executor_plugin_dodas.second.words import words
from snakemake_executor_plugin_dodas.step import staging
from snakemake_executor_plugin_dodas.step.allotment import Ceiling, allot, hints, with_room
from snakemake_executor_plugin_dodas.step.stored import NOTHING, Stored
from snakemake_executor_plugin_dodas.step.volumes import mounts

# Set by Snakemake for every command; the other variables of the host stay outside of containers.
_THREADS = ("OMP", "GOTO", "OPENBLAS", "MKL", "VECLIB", "NUMEXPR")
_SHOWN = {*(f"{library}_NUM_THREADS" for library in _THREADS), "TMPDIR", "TMP", "TEMPDIR", "TEMP"}
_LOCALE = ("LANG", "LANGUAGE", "TZ")
CONTAINER_TMPDIR = "/tmp"  # noqa: S108 - in a container, where it belongs to the step alone
_SEARCH_PATHS = "/mnt/snakemake_searchpaths"  # where snakemake.deployment.singularity looks for itself
_USE_CONTAINER = "give the rule a container directive, or all jobs an image with --dodas-image"


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
        image: Image for jobs that name none, as a ``container:`` directive names it; empty for none.
        containers: Whether there are containers at all.
        here: Whether steps run on this machine.
        shared: Whether they see its files.
        apptainer: What gives jobs of a second Snakemake the containers of their rules; ``None`` for nothing.
    """

    workdir: str
    logs: str
    declared: Mapping[str, str]
    guesses: Mapping[str, object]
    ceiling: Ceiling
    volumes: tuple[Mount, ...] = ()
    network: bool = True
    image: str = ""
    containers: bool = True
    here: bool = True
    shared: bool = True
    apptainer: Apptainer | None = None

    def container(self, job: Any) -> str | None:
        """Return the image for a single job, as a ``container:`` directive names it; ``None`` on the host."""
        return (coming.image_of(job) or self.image or None) if self.containers else None

    def host_step(self, job: Any, name: str, command: Command, stored: Stored = NOTHING) -> Step:
        """Return the step that runs ``command`` without a container.

        Where this machine's files are seen, it is in the environment that Snakemake has.

        Raises:
            SpecError: It cannot run where they are not.
        """
        if not self.shared:
            check_bare(job, command)
        return self._step(
            job,
            name,
            argv=(command.shell, "-c", command.text),
            env={**command.env, **self.declared} if self.shared else self.own_env(command),
            cwd=self._cwd(job),
            mounts=() if self.shared else self._mounts(job, command),
            **self._files(job, command, stored),
        )

    def container_step(
        self, job: Any, name: str, command: Command, image: str, stored: Stored = NOTHING
    ) -> Step:
        """Return the step that runs ``command`` in ``image``."""
        search, library = self._snakemake(command)
        files = self._files(job, command, stored)
        return self._step(
            job,
            name,
            argv=(os.path.basename(command.shell), "-c", command.text),
            env=self.own_env(command),
            cwd=self._cwd(job),
            image=image,
            mounts=(*self._mounts(job, command), *search, *self.volumes),
            network=self.network,
            **{**files, "inputs": (*files["inputs"], *library)},
        )

    def worker_step(self, job: Any, name: str, worker: Worker, *, contained: bool = False) -> Step:
        """Return the step that runs ``job`` in a second Snakemake.

        Args:
            job: A single job or a group.
            name: Of the step.
            worker: Makes the command of the second Snakemake.
            contained: Whether that is to use the containers of rules, if it can.
        """
        resources = with_room(allot(job, self.guesses, self.ceiling), self.ceiling)
        # Jobs that are tied by pipes and services run at once or not at all, even where there is less.
        cores = job.threads if is_simultaneous(job) else resources.cores
        command = worker(job, max(1, int(cores)))
        env = {**os.environ, **self.declared}
        if self.apptainer is not None:
            env = self.apptainer.environ(env)  # in the same for all of them: it is loaded once
            if contained:
                command = f"{command} {self.apptainer.words(self._seen(job), self.workdir)}"
        argv = (words(command) if self.here else None) or ("/bin/sh", "-c", command)
        return self._step(job, name, argv=argv, env=env, cwd=self.workdir, resources=resources)

    def own_env(self, command: Command) -> dict[str, str]:
        """Return what a command gets where it does not get all variables of this machine."""
        return {**_visible(command.env), **self.declared, "HOME": self.workdir}

    def default_tmpdir(self, image: str | None) -> str:
        """Return where temporary files go if the user does not say."""
        return tempfile.gettempdir() if self.here and image is None else CONTAINER_TMPDIR

    def _step(self, job: Any, name: str, *, env: Mapping[str, str], **rest: Any) -> Step:
        rest.setdefault("resources", allot(job, self.guesses, self.ceiling))
        return Step(
            id=name,
            name=job.name,
            env=tuple(env.items()),
            stdout=os.path.join(self.logs, f"{name}.out"),
            stderr=os.path.join(self.logs, f"{name}.err"),
            attempt=job.attempt,
            hints=hints(job),
            **rest,
        )

    def _cwd(self, job: Any) -> str:
        # A step that gets files of its own needs no other place to keep its rubbish from the user's.
        return os.path.abspath(job.shadow_dir) if job.shadow_dir and self.shared else self.workdir

    def _files(self, job: Any, command: Command, stored: Stored) -> dict[str, Any]:
        return {
            "inputs": staging.inputs(job, command, self.workdir, stored),
            "outputs": staging.outputs(job, self.workdir, shadowed=self.shared, stored=stored),
        }

    def _mounts(self, job: Any, command: Command) -> tuple[Mount, ...]:
        folders = [*command.folders, job.shadow_dir, _chosen_tmpdir(job)]
        outputs = (*job.output._plainstrings(), *job.log._plainstrings())
        own = mounts(
            workdir=self.workdir,
            inputs=(*job.input._plainstrings(), *staging.sources(job)),
            outputs=(*outputs, *command.files),
            folders=[os.path.abspath(folder) for folder in folders if folder],
        )
        return own if self.shared else own + tuple(staging.odd_places(outputs, self.workdir))

    def _seen(self, job: Any) -> tuple[Mount, ...]:
        """Return what a container of a second Snakemake's job, or of one of its group, sees."""
        jobs = list(job.jobs) if job.is_group() else [job]
        return mounts(
            workdir=self.workdir,
            inputs=[path for one in jobs for path in (*one.input._plainstrings(), *staging.sources(one))],
            outputs=[
                path for one in jobs for path in (*one.output._plainstrings(), *one.log._plainstrings())
            ],
        )

    def _snakemake(self, command: Command) -> tuple[tuple[Mount, ...], tuple[Input, ...]]:
        """Return what lets a script's preamble import Snakemake: mounts here, a file to take elsewhere."""
        if not command.python:
            return (), ()
        if not self.here:
            return (), (Input(source=library.archive(), target=library.PLACE),)
        paths = enumerate(import_module("snakemake.common").get_snakemake_searchpaths())
        return tuple(
            Mount(source=os.path.abspath(path), target=f"{_SEARCH_PATHS}/item_{i}", whole=False)
            for i, path in paths
        ), ()


def check_bare(job: Any, command: Command) -> None:
    """See that ``command`` can run without a container where nothing of this machine is seen.

    Raises:
        SpecError: It cannot.
    """
    rule = f"rule {job.rule.name!r}"
    if any(path.endswith((".py", ".ipynb")) for path in command.files):
        raise SpecError(
            f"{rule} has a script for the Python of this machine, and nodes do not share its disk",
            hint=_USE_CONTAINER,
        )
    for path in (*job.input._plainstrings(), *job.output._plainstrings(), *job.log._plainstrings()):
        if os.path.normpath(path).startswith("../"):
            raise SpecError(
                f"{rule} names {path}, outside of the working directory, and nodes do not share its disk",
                hint=f"give the absolute path, or: {_USE_CONTAINER}",
            )


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
