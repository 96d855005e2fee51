"""What a run of a backend told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from dodas.backend import Backend, Event, Finished
from dodas.backends.local import LocalBackend
from dodas.step import Result

Make = Callable[..., LocalBackend]


@dataclass
class Followed:
    """What a run told."""

    patience: float = 60  # seconds without any event
    events: list[Event] = field(default_factory=list)
    results: dict[str, Result] = field(default_factory=dict)

    def until(self, backend: Backend, wanted: Callable[[Event], bool]) -> Event:
        """Listen until an event is as wanted."""
        while True:
            for event in backend.events(self.patience):
                self.events.append(event)
                if isinstance(event, Finished):
                    assert event.step not in self.results, "a second end"
                    self.results[event.step] = event.result
                if wanted(event):
                    return event

    def finish(self, backend: Backend) -> Followed:
        """Listen until nothing is under way."""
        while batch := list(backend.events(self.patience)):
            for event in batch:
                self.events.append(event)
                if isinstance(event, Finished):
                    assert event.step not in self.results, "a second end"
                    self.results[event.step] = event.result
        return self
