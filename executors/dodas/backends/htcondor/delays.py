"""What is told of a job that is held up, and what its last event says."""

from __future__ import annotations

from dodas.backends.htcondor.eventlog import JobEvent, Kind

DELAYS = {
    Kind.EVICTED: "lost its place on {node}: {why}; it will run again",
    Kind.SHADOW_EXCEPTION: "trouble with {node}: {why}; it will run again",
    Kind.DISCONNECTED: "{node} is not heard of any more; waiting for it",
    Kind.RECONNECTED: "{node} is back",
    Kind.RECONNECT_FAILED: "{node} is lost; it will run elsewhere",
}


def ending(event: JobEvent) -> str:
    """Return what HTCondor says of the end of a job."""
    if event.kind is Kind.ABORTED:
        return event.reason
    return event.lines[0] if event.lines else event.title
