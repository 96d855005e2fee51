"""One job under way."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from dodas.step import Result
from snakemake_executor_plugin_dodas.course.course import Course
from snakemake_executor_plugin_dodas.step.part import Part


@dataclass(slots=True, eq=False)
class Flight:
    """A job, its course, what was submitted last, and those of its single jobs that have had a step."""

    job: Any
    course: Course
    parts: list[Part] = field(default_factory=list)
    results: dict[str, Result] = field(default_factory=dict)
    ended: set[Any] = field(default_factory=set)

    def left(self) -> list[Part]:
        """Return the parts that have no result yet."""
        return [part for part in self.parts if part.step.id not in self.results]

    def open(self) -> list[str]:
        """Return the ids of their steps."""
        return [part.step.id for part in self.left()]

    def words(self) -> dict[Any, str]:
        """Return what identifies the steps of single jobs."""
        return {part.job: part.step.identity for part in self.parts if part.step.identity}

    def failure(self) -> tuple[Part, Result] | None:
        """Return the part that is to blame and its result; ``None`` if all did what was asked."""
        # The first that failed is the reason; others may have been cancelled because of it.
        result = next((result for result in self.results.values() if not result.ok), None)
        return None if result is None else (self._part(result.step), result)

    def _part(self, step: str) -> Part:
        return next(part for part in self.parts if part.step.id == step)

    def advance(self) -> bool:
        """Make the next parts; return whether there are any."""
        answers = [self.results[part.step.id] for part in self.parts] if self.parts else None
        self.results = {}
        try:
            self.parts = self.course.send(answers)  # type: ignore[arg-type]  # None starts it
        except StopIteration:
            return False
        return True
