"""What of a step is at URLs.  Pure."""

from __future__ import annotations

from dodas.step import Input, Output, Step


def is_remote(place: str) -> bool:
    """Return whether a source or a destination is a URL that dodas can bring files from and to."""
    if place.startswith("/"):  # as nearly all of them do
        return False
    from dodas.staging.urls import is_url  # noqa: PLC0415 - not needed without

    return is_url(place)


def check(url: str) -> None:
    """See that a URL says where something is.

    Raises:
        SpecError: It does not.
    """
    from dodas.staging.urls import parse  # noqa: PLC0415 - not needed without

    parse(url)


def inputs(step: Step) -> tuple[Input, ...]:
    """Return what comes from URLs."""
    return tuple(item for item in step.inputs if is_remote(item.source))


def outputs(step: Step) -> tuple[Output, ...]:
    """Return what goes to URLs."""
    return tuple(item for item in step.outputs if is_remote(item.destination))


def stdin(step: Step) -> str | None:
    """Return the URL that is read as standard input; ``None`` if none is."""
    return step.stdin if step.stdin is not None and is_remote(step.stdin) else None


def comes(step: Step) -> bool:
    """Return whether something has to be fetched before a step starts."""
    return bool(stdin(step) or inputs(step))


def is_involved(step: Step) -> bool:
    """Return whether a step has anything to do with URLs."""
    return comes(step) or bool(outputs(step))
