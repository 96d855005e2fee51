"""The course of a job: which steps it takes, one after the other.

A course is a generator.  It yields steps that may run at once, gets their results when all of them
succeeded, and returns when the job is done.  It is not continued after a failure.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Generator, Sequence
from contextlib import suppress
from dataclasses import replace
from importlib import import_module
from typing import Any

from dodas.errors import SpecError
from dodas.step import Result, Step
from snakemake_executor_plugin_dodas import releases
from snakemake_executor_plugin_dodas.backends import Past
from snakemake_executor_plugin_dodas.command.capture import NotCapturableError
from snakemake_executor_plugin_dodas.command.command import Command
from snakemake_executor_plugin_dodas.command.direct import Director
from snakemake_executor_plugin_dodas.course import modes
from snakemake_executor_plugin_dodas.step import identity, stored
from snakemake_executor_plugin_dodas.step.images import image_name
from snakemake_executor_plugin_dodas.step.part import Part
from snakemake_executor_plugin_dodas.step.steps import Site, Worker
from snakemake_executor_plugin_dodas.step.stored import Stored
from snakemake_executor_plugin_dodas.told import reports

Course = Generator[list[Part], Sequence[Result], None]


class Planner:
    """Lays out the courses of all jobs of a run.

    Args:
        workflow: Snakemake's.
        site: What all jobs share.
        director: Gets commands out of jobs.
        worker: Makes the command of a second Snakemake.
        past: What the backend knows of an earlier run; ``None`` if its steps end with the run.
        left: Whether Snakemake leaves files on storage to jobs, and steps can see to them.
    """

    def __init__(
        self,
        workflow: Any,
        site: Site,
        director: Director,
        worker: Worker,
        past: Past | None = None,
        *,
        left: bool = False,
    ) -> None:
        self._workflow = workflow
        self._site = site
        self._director = director
        self._worker = worker
        self._past = past
        self._left = left
        self._unfinished: dict[Any, str] = {}
        self._serial = itertools.count(1)

    def course(self, job: Any, *, shared_files: bool) -> Course:
        """Return the course of ``job``, which does its work when it is asked for the first steps."""
        asked = modes.Asked(
            job=job,
            shared_files=shared_files,
            shared_disk=self._site.shared,
            left=self._left,
            here=self._site.here,
        )
        match modes.mode(asked):
            case modes.Mode.DIRECT:
                return self._single(job, left=not shared_files)
            case modes.Mode.LAYERS:
                return self._layers(job, shared_files=shared_files)
            case _:
                return self._second_snakemake(job, modes.reason_for_worker(job, shared_files=shared_files))

    def _single(self, job: Any, *, left: bool) -> Course:
        image = self._image(job)
        self._settle_tmpdir(job, image)
        files = stored.files(job, self._site.workdir) if left else stored.NOTHING
        part = self._under_way(job, image, files)
        cache = releases.cache_of(job)
        if part is None:
            self._run(job.prepare())
            if cache is not None and self._fetched(cache, job):
                return
        results: list[Result] = []
        repeats = job.benchmark_repeats or 1
        for iteration in range(repeats):
            try:
                part = part or self._part(job, image, iteration if job.benchmark else None, files)
            except NotCapturableError as error:
                yield from self._second_snakemake(job, str(error))
                return
            results += yield [part]
            part = None
        if job.benchmark:
            extended = bool(getattr(self._workflow.output_settings, "benchmark_extended", False))
            reports.write_benchmark(job, [result.usage for result in results], extended=extended)
        if left:
            stored.settle(job, results, self._run)
        if cache is not None:
            self._run(cache.store(job))

    def _under_way(self, job: Any, image: str | None, files: Stored) -> Part | None:
        """Return the part that an interrupted run started and that goes on, or went on, without it.

        Nothing is prepared for it again: that would remove what it has made.
        """
        if self._past is None:
            return None
        word = self._unfinished.pop(job, "") or releases.unfinished(job)
        if not word:
            return None
        if not job.is_shadow and not (job.benchmark_repeats or 0) > 1:
            with suppress(NotCapturableError):
                part = self._part(job, image, 0 if job.benchmark else None, files)
                part = replace(part, step=replace(part.step, identity=word))
                if identity.is_of(word, part.digest) and self._past.known([part.step]):
                    for output in part.step.outputs:
                        if output.destination in files.destinations.values():
                            continue
                        os.makedirs(os.path.dirname(output.destination), exist_ok=True)
                    return part
                part.tidy()
        self._past.forget([Step(id=word, name=job.name, argv=("-",), identity=word)])
        return None

    def _layers(self, group: Any, *, shared_files: bool) -> Course:
        if self._past is not None:
            # As soon as the first layer runs, Snakemake takes note of all jobs anew.
            self._unfinished.update((job, releases.unfinished(job)) for job in group.jobs)
        done: set[Any] = set()
        for layer in group.toposorted:
            for job in layer:  # what depends on files of earlier layers was not known before
                job._resources = job._params = None
            yield from _together([self.course(job, shared_files=shared_files) for job in layer])
            for job in layer if shared_files else ():
                self._workflow.dag.handle_touch(job)
            done.update(layer)
            if shared_files and self._site.here:  # on a pool, what goes on after a kill would miss its inputs
                self._drop_temporary(group, done)

    def _drop_temporary(self, group: Any, done: set[Any]) -> None:
        """Remove the temporary files of a group that none of its jobs has still to read, and no other job."""
        dag = self._workflow.dag
        if self._workflow.storage_settings.notemp:
            return
        coming = {path for job in group.jobs if job not in done for path in (*job.input, *job.output)}
        for path in dag.get_unneeded_temp_files(group):
            if path not in coming and path not in dag.targetfiles and os.path.lexists(path):
                self._run(path.remove(remove_non_empty_dir=True))

    def _second_snakemake(self, job: Any, why: str) -> Course:
        if not self._site.shared:
            raise SpecError(
                f"{_called(job)} needs a second Snakemake where it runs, because {why}, and nodes "
                "do not share the disk of this machine",
                hint="add the rule to localrules, or run where the disk is shared",
            )
        singles = job.jobs if job.is_group() else [job]
        contained = any(map(self._site.container, singles)) and not any(
            map(self._director.has_environment, singles)
        )
        step = self._site.worker_step(job, self._name(job), self._worker, contained=contained)
        yield [Part(step, None if job.is_group() else job)]

    def _part(self, job: Any, image: str | None, iteration: int | None, files: Stored) -> Part:
        if not self._site.shared and self._director.has_conda(job):
            raise SpecError(
                f"{_called(job)} has a conda environment, and nodes do not share the disk of this machine",
                hint="give the rule a container directive, and run without conda",
            )
        command = self._director.command(job, image=image, iteration=iteration)
        name = self._name(job)
        part = Part(self._step(job, name, command, image, files), job, command)
        if self._past is None:
            return part.opened()
        own = self._site.own_env(command)
        digest = identity.digest(
            job, part.step, command, env=own, iteration=iteration, versions=files.versions
        )
        step = part.step
        if command.files or command.folders:
            command = command.named(digest)
            step = self._step(job, name, command, image, files)
        step = replace(step, identity=identity.identity(digest))
        return Part(step, job, command, digest).opened()

    def _step(self, job: Any, name: str, command: Command, image: str | None, files: Stored) -> Step:
        if image is None:
            step = self._site.host_step(job, name, command, files)
        else:
            step = self._site.container_step(job, name, command, image, files)
        return replace(step, measured=True) if job.benchmark else step

    def _image(self, job: Any) -> str | None:
        url = self._site.container(job)
        return image_name(url) if url and not self._director.has_environment(job) else None

    def _settle_tmpdir(self, job: Any, image: str | None) -> None:
        """Put the temporary directory into the job, which Snakemake leaves open for jobs it runs elsewhere.

        The default is the place of the step itself: a container has its own ``/tmp``.
        """
        resources = job.resources
        if "tmpdir" not in resources.keys():  # noqa: SIM118 - a list with names
            return
        default = releases.expression(job.rule.resources.get("tmpdir")) == self._site.guesses.get("tmpdir")
        if default:
            tmpdir = self._site.default_tmpdir(image)
        else:
            tmpdir = job.rule.expand_resources(job.wildcards_dict, job.input, job.attempt).get("tmpdir")
        job._resources = releases.with_value(resources, "tmpdir", tmpdir)
        job._params = None

    def _fetched(self, cache: Any, job: Any) -> bool:
        missed: type[Exception] = import_module("snakemake.exceptions").CacheMissException
        try:
            self._run(cache.fetch(job))
        except missed:
            return False
        return True

    def _run(self, coroutine: Any) -> None:
        self._workflow.async_run(coroutine)

    def _name(self, job: Any) -> str:
        return f"{job.name[:100]}.{job.jobid}.{next(self._serial)}"


def _called(job: Any) -> str:
    return f"group {job.name!r}" if job.is_group() else f"rule {job.rule.name!r}"


def _together(courses: Sequence[Course]) -> Course:
    """Return the course of several jobs that advance side by side."""
    answers: dict[Course, Any] = dict.fromkeys(courses)
    while answers:
        asked = {}
        for course, answer in answers.items():
            with suppress(StopIteration):
                asked[course] = course.send(answer)
        if not asked:
            return
        results = iter((yield [part for parts in asked.values() for part in parts]))
        answers = {course: list(itertools.islice(results, len(parts))) for course, parts in asked.items()}
