"""What a backend is, and what it tells."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Protocol, Union

from dodas.step import Result, Step
from dodas.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Queued:
    """The backend has the step and will run it when there is room.  ``time`` is Unix seconds."""

    step: str
    time: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparing:
    """The step waits for its image, or for its inputs."""

    step: str
    time: float
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """The command runs, on ``node``, as process ``pid`` there when that is known."""

    step: str
    time: float
    node: str
    pid: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """The last event of a step."""

    step: str
    time: float
    result: Result


Event = Union[Queued, Preparing, Started, Finished]  # noqa: UP007 - evaluated, and nodes may have 3.9


class Backend(Protocol):
    """A place where steps run.

    All four verbs may be called from any thread.
    """

    def submit(self, steps: Sequence[Step]) -> None:
        """Take steps, all or none; returns without waiting for any of them.

        Raises:
            SpecError: This backend can never run one of them, or an id is already taken.
            BackendUnreachable: Nothing was taken; trying again is safe.
        """

    def events(self, timeout: float | None = None) -> Iterator[Event]:
        """Yield what happened since the last call, in order.

        Waits up to ``timeout`` seconds (``None``: for ever) for a first event, then yields all that are
        there and returns.  Returns at once when nothing is in flight.  Each step gets exactly one
        :class:`Finished`, also one that vanished.
        """

    def cancel(self, steps: Collection[str]) -> None:
        """Ask for steps to end; unknown, finished and repeated ids are no error.  The answer is an event."""

    def close(self) -> None:
        """End whatever still runs, leave nothing behind; may be repeated."""
