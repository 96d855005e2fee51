"""What a run of a local backend told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from dodas.backend import Event, Finished
from dodas.backends.local import LocalBackend
from dodas.step import Result

Make = Callable[..., LocalBackend]


@dataclass
class Followed:
    """What a run told."""

    events: list[Event] = field(default_factory=list)
    results: dict[str, Result] = field(default_factory=dict)

    def until(self, backend: LocalBackend, wanted: Callable[[Event], bool]) -> Event:
        """Listen until an event is as wanted."""
        while True:
            for event in backend.events(60):
                self.events.append(event)
                if isinstance(event, Finished):
                    assert event.step not in self.results, "a second end"
                    self.results[event.step] = event.result
                if wanted(event):
                    return event

    def finish(self, backend: LocalBackend) -> Followed:
        """Listen until nothing is under way."""
        while batch := list(backend.events(60)):
            for event in batch:
                self.events.append(event)
                if isinstance(event, Finished):
                    assert event.step not in self.results, "a second end"
                    self.results[event.step] = event.result
        return self
