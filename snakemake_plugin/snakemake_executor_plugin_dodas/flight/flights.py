"""Jobs under way: from their first steps to the word that the scheduler waits for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from dodas.backend import Backend
from dodas.errors import DodasError
from dodas.step import Result
from snakemake_executor_plugin_dodas.course.course import Course
from snakemake_executor_plugin_dodas.flight.finished import Finished
from snakemake_executor_plugin_dodas.flight.flight import Flight
from snakemake_executor_plugin_dodas.flight.follow import Follower
from snakemake_executor_plugin_dodas.step.part import Part
from snakemake_executor_plugin_dodas.told import failures, reports
from snakemake_executor_plugin_dodas.used.efficiency import Efficiency


class Desk(Protocol):
    """Takes reports on jobs, from any thread."""

    def begins(self, job: Any) -> None:
        """The course of ``job`` begins; raises what is wrong with the job."""

    def submitted(self, job: Any, words: Mapping[Any, str]) -> None:
        """The steps of ``job`` are about to be submitted; ``words`` identify those of its single jobs."""

    def goes_on(self, words: Mapping[Any, str]) -> None:
        """More steps of single jobs are about to be."""

    def succeeded(self, job: Any) -> None:
        """All steps of ``job`` did what was asked."""

    def delayed(self, job: Any, why: str) -> None:
        """A step of ``job`` has to wait for something unusual, or is tried again."""

    def failed(self, job: Any, reason: str, logs: list[str]) -> None:
        """A step of ``job`` failed; ``logs`` are files that say more."""

    def broke(self, job: Any, error: Exception) -> None:
        """The steps of ``job`` cannot be made, or not be finished."""


class Flights:
    """Follows jobs along their courses.

    Whatever goes wrong with a job ends as a report on that job, never as an exception: the others go on.

    Args:
        backend: Where steps run.
        desk: Takes the reports.
        here: Whether that is this machine.
        secrets: Variables whose values are not for people to read.
        finished: Notes on steps that finished; ``None`` if the backend keeps them.

    Attributes:
        totals: Sums over all steps so far.
        efficiency: The same, and more, for each rule.
    """

    def __init__(
        self,
        backend: Backend,
        desk: Desk,
        *,
        here: bool = True,
        secrets: Mapping[str, str] | None = None,
        finished: Finished | None = None,
    ) -> None:
        self.totals = reports.Totals()
        self.efficiency = Efficiency()
        self._here = here
        self._secrets = secrets or {}
        self._finished = finished
        self._desk = desk
        self._flights: dict[str, Flight] = {}
        self._parts: dict[str, Part] = {}
        self._cancelled = False
        self._follower = Follower(backend, self._ended, self._delayed)

    def start(self, courses: Iterable[tuple[Any, Course]]) -> None:
        """Begin the courses of jobs; their first steps are submitted together."""
        self._submit([flight for job, course in courses if self._begin(flight := Flight(job, course))])

    def cancel(self) -> None:
        """End all steps; no job is reported any more."""
        self._cancelled = True
        self._follower.cancel()

    def close(self) -> None:
        """Wait for the end of steps, and close the backend; may be repeated."""
        try:
            self._follower.close()
        finally:
            for part in self._parts.values():
                part.tidy()
            if self._finished is not None:
                self._finished.close(recorded=not self._cancelled)

    def _begin(self, flight: Flight) -> bool:
        """Make the first parts of a job; return whether there is anything to submit."""
        try:
            self._desk.begins(flight.job)
            if self._advance(flight):
                self._desk.submitted(flight.job, flight.words())
                return True
            self._desk.submitted(flight.job, flight.words())
            self._desk.succeeded(flight.job)
        except Exception as error:  # whatever is wrong with a rule concerns its jobs only
            self._desk.broke(flight.job, error)
        return False

    def _advance(self, flight: Flight) -> bool:
        """Make the next parts that have something left to do; return whether there are any."""
        while flight.advance():
            self._take_over(flight)
            parts = flight.left()
            if parts:
                self._parts.update((part.step.id, part) for part in parts)
                self._flights.update((part.step.id, flight) for part in parts)
                return True
        return False

    def _take_over(self, flight: Flight) -> None:
        """Give the results of an earlier run to those of its parts that finished there."""
        for part in flight.parts:
            result = None if self._finished is None else self._finished.result(part.step)
            if result is not None:
                part.tidy()
                flight.results[part.step.id] = result

    def _submit(self, flights: Sequence[Flight]) -> None:
        steps = [part.step for flight in flights for part in flight.left()]
        if self._finished is not None:
            self._finished.expect(steps)
        try:
            if steps:
                self._follower.submit(steps)
        except DodasError as error:
            # All or none were taken: one by one those that are not to blame get their chance.
            if len(flights) == 1:
                self._drop(flights[0])
                self._desk.broke(flights[0].job, error)
            else:
                for flight in flights:
                    self._submit([flight])

    def _drop(self, flight: Flight) -> None:
        for part in flight.left():
            del self._flights[part.step.id]
            self._parts.pop(part.step.id).tidy()

    def _delayed(self, step: str, why: str) -> None:
        # This machine waits for images only, which is nothing to write home about.
        flight = self._flights.get(step)
        if not self._here and flight is not None and not self._cancelled:
            self._desk.delayed(flight.job, why)

    def _ended(self, result: Result) -> None:
        flight = self._flights.pop(result.step)
        self._count(flight, self._parts.pop(result.step), result)
        flight.results[result.step] = result
        failures.drop_empty_logs(result)
        if self._cancelled:
            return
        if flight.open():
            if not result.ok:
                self._follower.cancel(flight.open())
        elif failure := flight.failure():
            self._fail(flight, *failure)
        else:
            self._continue(flight)

    def _fail(self, flight: Flight, part: Part, result: Result) -> None:
        try:
            reason = failures.block(flight.job, part, result, self._secrets)
        except Exception as error:  # a job that nobody reports on would be waited for for ever
            self._desk.broke(flight.job, error)
        else:
            self._desk.failed(flight.job, reason, failures.logs(result))

    def _count(self, flight: Flight, part: Part, result: Result) -> None:
        part.tidy()
        job = flight.job if part.job is None else part.job
        self.totals.add(result)
        self.efficiency.add(job, part.step, result, first=job not in flight.ended)
        flight.ended.add(job)

    def _continue(self, flight: Flight) -> None:
        try:
            more = self._advance(flight)
        except Exception as error:
            self._desk.broke(flight.job, error)
            return
        if more:
            self._desk.goes_on(flight.words())
            self._submit([flight])
        else:
            self._desk.succeeded(flight.job)
