"""Jobs under way: from their first steps to the word that the scheduler waits for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from dodas.backend import Backend
from dodas.errors import DodasError
from dodas.step import Result
from snakemake_executor_plugin_dodas import reports
from snakemake_executor_plugin_dodas.course import Course
from snakemake_executor_plugin_dodas.follow import Follower
from snakemake_executor_plugin_dodas.part import Part


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


@dataclass(slots=True, eq=False)
class _Flight:
    """A job, its course, and what was submitted last."""

    job: Any
    course: Course
    parts: list[Part] = field(default_factory=list)
    results: dict[str, Result] = field(default_factory=dict)

    def open(self) -> list[str]:
        return [part.step.id for part in self.parts if part.step.id not in self.results]

    def words(self) -> dict[Any, str]:
        return {part.job: part.step.identity for part in self.parts if part.step.identity}

    def failure(self) -> Result | None:
        # The first that failed is the reason; others may have been cancelled because of it.
        return next((result for result in self.results.values() if not result.ok), None)

    def advance(self) -> bool:
        """Make the next parts; return whether there are any."""
        answers = [self.results[part.step.id] for part in self.parts] if self.parts else None
        self.results = {}
        try:
            self.parts = self.course.send(answers)  # type: ignore[arg-type]  # None starts it
        except StopIteration:
            return False
        return True


class Flights:
    """Follows jobs along their courses.

    Whatever goes wrong with a job ends as a report on that job, never as an exception: the others go on.

    Args:
        backend: Where steps run.
        desk: Takes the reports.
        here: Whether that is this machine.
    """

    def __init__(self, backend: Backend, desk: Desk, *, here: bool = True) -> None:
        self.totals = reports.Totals()
        self._here = here
        self._desk = desk
        self._flights: dict[str, _Flight] = {}
        self._parts: dict[str, Part] = {}
        self._cancelled = False
        self._follower = Follower(backend, self._ended, self._delayed)

    def start(self, courses: Iterable[tuple[Any, Course]]) -> None:
        """Begin the courses of jobs; their first steps are submitted together."""
        self._submit([flight for job, course in courses if self._begin(flight := _Flight(job, course))])

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

    def _begin(self, flight: _Flight) -> bool:
        """Make the first parts of a job; return whether there is anything to submit."""
        try:
            self._desk.begins(flight.job)
            if self._advance(flight):
                self._desk.submitted(flight.job, flight.words())
                return True
            self._desk.submitted(flight.job, {})
            self._desk.succeeded(flight.job)
        except Exception as error:  # whatever is wrong with a rule concerns its jobs only
            self._desk.broke(flight.job, error)
        return False

    def _advance(self, flight: _Flight) -> bool:
        more = flight.advance()
        if more:
            self._parts.update((part.step.id, part) for part in flight.parts)
            self._flights.update((part.step.id, flight) for part in flight.parts)
        return more

    def _submit(self, flights: Sequence[_Flight]) -> None:
        steps = [part.step for flight in flights for part in flight.parts]
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

    def _drop(self, flight: _Flight) -> None:
        for part in flight.parts:
            del self._flights[part.step.id]
            self._parts.pop(part.step.id).tidy()

    def _delayed(self, step: str, why: str) -> None:
        # This machine waits for images only, which is nothing to write home about.
        if not self._here and step in self._flights and not self._cancelled:
            self._desk.delayed(self._flights[step].job, why)

    def _ended(self, result: Result) -> None:
        flight = self._flights.pop(result.step)
        self._parts.pop(result.step).tidy()
        self.totals.add(result)
        flight.results[result.step] = result
        reports.drop_empty_logs(result)
        if self._cancelled:
            return
        if flight.open():
            if not result.ok:
                self._follower.cancel(flight.open())
        elif failure := flight.failure():
            reason = reports.failure(failure, here=self._here)
            self._desk.failed(flight.job, reason, reports.printed(failure))
        else:
            self._continue(flight)

    def _continue(self, flight: _Flight) -> None:
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
