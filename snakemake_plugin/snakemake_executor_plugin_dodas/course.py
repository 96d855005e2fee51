"""The course of a job: which steps it takes, one after the other.

A course is a generator.  It yields steps that may run at once, gets their results when all of them
succeeded, and returns when the job is done.  It is not continued after a failure.
"""

from __future__ import annotations

import itertools
import os
import tempfile
from collections.abc import Generator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from dodas.step import Result, Step
from snakemake_executor_plugin_dodas import modes, releases, reports
from snakemake_executor_plugin_dodas.capture import NotCapturableError
from snakemake_executor_plugin_dodas.command import Command
from snakemake_executor_plugin_dodas.direct import Director
from snakemake_executor_plugin_dodas.images import image_name
from snakemake_executor_plugin_dodas.modes import Mode
from snakemake_executor_plugin_dodas.steps import CONTAINER_TMPDIR, Site, Worker


@dataclass(frozen=True, slots=True)
class Part:
    """A step, and the command whose files go when it ended."""

    step: Step
    command: Command | None = None

    def tidy(self) -> None:
        """Remove what belongs to the step alone."""
        if self.command is not None:
            self.command.tidy()


Course = Generator[list[Part], Sequence[Result], None]


class Planner:
    """Lays out the courses of all jobs of a run."""

    def __init__(self, workflow: Any, site: Site, director: Director, worker: Worker) -> None:
        self._workflow = workflow
        self._site = site
        self._director = director
        self._worker = worker
        self._serial = itertools.count(1)

    def course(self, job: Any, *, shared_files: bool) -> Course:
        """Return the course of ``job``, which does its work when it is asked for the first steps."""
        match modes.mode(job, shared_files=shared_files):
            case Mode.DIRECT:
                return self._single(job)
            case Mode.LAYERS:
                return self._layers(job)
            case _:
                return self._second_snakemake(job)

    def _single(self, job: Any) -> Course:
        image = self._image(job)
        self._settle_tmpdir(job, image)
        self._run(job.prepare())
        cache = releases.cache_of(job)
        if cache is not None and self._fetched(cache, job):
            return
        usages = []
        repeats = job.benchmark_repeats or 1
        for iteration in range(repeats):
            try:
                part = self._part(job, image, iteration if job.benchmark else None)
            except NotCapturableError:
                yield from self._second_snakemake(job)
                return
            [result] = yield [part]
            usages.append(result.usage)
        if job.benchmark:
            extended = bool(getattr(self._workflow.output_settings, "benchmark_extended", False))
            reports.write_benchmark(job, usages, extended=extended)
        if cache is not None:
            self._run(cache.store(job))

    def _layers(self, group: Any) -> Course:
        for layer in group.toposorted:
            yield from _together([self._member(job) for job in layer])
            for job in layer:
                self._workflow.dag.handle_touch(job)

    def _member(self, job: Any) -> Course:
        return self.course(job, shared_files=True)

    def _second_snakemake(self, job: Any) -> Course:
        yield [Part(self._site.worker_step(job, self._name(job), self._worker))]

    def _part(self, job: Any, image: str | None, iteration: int | None) -> Part:
        command = self._director.command(job, image=image, iteration=iteration)
        for folder in command.folders:
            os.makedirs(folder, exist_ok=True)
        name = self._name(job)
        if image is None:
            return Part(self._site.host_step(job, name, command), command)
        return Part(self._site.container_step(job, name, command, image), command)

    def _image(self, job: Any) -> str | None:
        url = job.container_img_url
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
            tmpdir = tempfile.gettempdir() if image is None else CONTAINER_TMPDIR
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
        releases.run_coroutine(self._workflow, coroutine)

    def _name(self, job: Any) -> str:
        return f"{job.name[:100]}.{job.jobid}.{next(self._serial)}"


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
