"""From how a launch ended to what the user is told."""

from __future__ import annotations

import os
import time

from dodas.backends.memory import Peaks
from dodas.backends.words import duration, signal_name, size
from dodas.containers.launch import Outcome
from dodas.step import Failure, Result, Step, Usage
from dodas.values import dataclass

_NOT_EXECUTABLE, _NOT_FOUND = 126, 127


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What a backend knows of a step beside its outcome.

    Attributes:
        engine: Engine that ran it, empty if none was reached.
        image_digest: Of its image.
        stdout: Host path of its standard output.
        stderr: Host path of its standard error.
        memory: What was seen of the whole tree.
        over_memory: Whether it was stopped for that.
        cancelled: Whether somebody asked for its end.
    """

    engine: str = ""
    image_digest: str | None = None
    stdout: str | None = None
    stderr: str | None = None
    memory: Peaks = Peaks()
    over_memory: bool = False
    cancelled: bool = False


def result(step: Step, outcome: Outcome, known: Circumstances) -> Result:
    """Return the result of a launch that is over."""
    failure, reason = _verdict(step, outcome, known)
    ended_by_itself = failure in (None, Failure.TOOL)
    return Result(
        step=step.id,
        exit_code=outcome.exit_code if ended_by_itself else None,
        signal=outcome.signal if ended_by_itself else None,
        failure=failure,
        reason=reason,
        usage=Usage(
            wall=outcome.wall,
            cpu=outcome.cpu,
            peak_memory=max(outcome.peak_memory, known.memory.resident),
            read=outcome.read,
            written=outcome.written,
            virtual=known.memory.virtual,
            unique=known.memory.unique,
            proportional=known.memory.proportional,
        ),
        ended=time.time(),
        node=os.uname().nodename,
        engine=known.engine,
        image_digest=known.image_digest,
        stdout=known.stdout,
        stderr=known.stderr,
    )


def never_started(step: Step, failure: Failure, reason: str) -> Result:
    """Return the result of a step that did not come to run."""
    return Result(step=step.id, failure=failure, reason=reason, node=os.uname().nodename)


def _verdict(step: Step, outcome: Outcome, known: Circumstances) -> tuple[Failure | None, str]:
    limits = step.resources
    if known.over_memory:
        limit = size(limits.memory or 0)
        return Failure.LIMIT, (
            f"stopped because it used {size(known.memory.resident)} of memory and its limit is {limit};"
            " raise the limit if that is what it needs"
        )
    if outcome.timed_out:
        limit = duration(limits.walltime.total_seconds() if limits.walltime else 0)
        return (
            Failure.LIMIT,
            f"stopped because its time limit of {limit} was over; raise it if it needs longer",
        )
    if outcome.lost or (outcome.stopped and not known.cancelled):
        # What nobody here stopped was stopped by its supervisor, because the fork server died.
        return Failure.LOST, outcome.fault or "stopped because the process that had started it died"
    if known.cancelled and (outcome.stopped or outcome.exit_code is None):
        return Failure.CANCELLED, "cancelled"
    if outcome.fault:
        return Failure.CONTAINER, outcome.fault
    return _of_the_command(step, outcome)


def _of_the_command(step: Step, outcome: Outcome) -> tuple[Failure | None, str]:
    if outcome.signal is not None:
        return Failure.TOOL, f"killed by {signal_name(outcome.signal)}"
    if outcome.exit_code == 0:
        return None, ""
    reason = f"exit status {outcome.exit_code}"
    if outcome.exit_code == _NOT_FOUND:
        reason += f" (is there a command {step.argv[0]!r}?)" if step.argv else " (is there such a command?)"
    if outcome.exit_code == _NOT_EXECUTABLE:
        reason += " (a command could not be executed)"
    return Failure.TOOL, reason
