"""What is said of how the jobs of each rule are run, in which container, and why."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from snakemake_executor_plugin_dodas.course.modes import Asked, Mode, case, reason

# A job or group is asked about, and the container of a single job.
_Ask = Callable[[Any], Asked]
_Container = Callable[[Any], "str | None"]


class Explanation:
    """Tells of each rule once, and again where some of its jobs are run in another way.

    Args:
        ask: Returns what decides on the mode of a job or group.
        container: Returns the image for a single job, as the user writes it; nothing on the host.
        contained: Returns whether a second Snakemake runs a single job in it.
        tell: Takes what to say; ``None`` if nobody wants to know.
        warn: Takes what everybody has to know: which containers are not used.
    """

    def __init__(
        self,
        ask: _Ask,
        container: _Container,
        contained: Callable[[Any], bool],
        *,
        tell: Callable[[str], object] | None,
        warn: Callable[[str], object],
    ) -> None:
        self._ask = ask
        self._container = container
        self._contained = contained
        self._tell = tell
        self._warn = warn
        self._told: set[str] = set()

    def of(self, jobs: Iterable[Any]) -> None:
        """Tell of jobs and groups, if there is anything that was not told yet."""
        jobs = list(jobs)
        for line in self._new(line for job in jobs for line in self._unused(job)):
            self._warn(line)
        new = self._new(line for job in jobs for line in self._lines(job)) if self._tell else []
        if new and self._tell:
            self._tell("\n".join(["How jobs are run:", *(f"    {line}" for line in new)]))

    def _new(self, lines: Iterable[str]) -> list[str]:
        new = [line for line in dict.fromkeys(lines) if line not in self._told]
        self._told.update(new)
        return new

    def _unused(self, job: Any) -> Iterator[str]:
        asked = self._ask(job)
        if case(asked).mode is Mode.WORKER:
            for single in asked.singles():
                image = self._container(single)
                if image and not self._contained(single):
                    yield (
                        f"rule {single.rule.name} runs without the container {image}, because {reason(asked)}"
                    )

    def _lines(self, job: Any) -> Iterator[str]:
        asked = self._ask(job)
        found = case(asked)
        if found.mode is Mode.LAYERS:
            yield f"group {job.groupid}: {found.mode.value}, because {reason(asked)}"
            for single in job.jobs:
                yield from self._lines(single)
            return
        for single in asked.singles():
            group = f" (in group {job.groupid})" if job.is_group() else ""
            where = self._where(single, found.mode)
            yield f"rule {single.rule.name}{group}: {found.mode.value}, {where}, because {reason(asked)}"

    def _where(self, job: Any, mode: Mode) -> str:
        image = self._container(job)
        if image is None:
            return "without a container"
        used = mode is Mode.DIRECT or (mode is Mode.WORKER and self._contained(job))
        return f"in the container {image}" if used else f"without its container {image}"
