"""What the submit side keeps of a job while it lives; steps themselves are in the job's directory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

JobId = tuple[int, int]  # HTCondor's: cluster, process


class State(Enum):
    """Where a job is."""

    SENDING = "is being submitted"
    QUEUED = "is in the queue"
    RUNNING = "runs"
    HELD = "is held"
    OVER = "left the queue"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a job left the queue, or a node.

    Attributes:
        exit_code: Of the worker, when it ended by itself.
        reason: What HTCondor says, for people.
        removed: Whether somebody removed it.
    """

    exit_code: int | None = None
    reason: str = ""
    removed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Tries:
    """What was tried with the steps of a job before.

    Attributes:
        lost: How often a node lost them.
        grown: How often they got more memory.
        avoid: Machines that should not get them at once.
    """

    lost: int = 0
    grown: int = 0
    avoid: tuple[str, ...] = ()


NEW = Tries()


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """What identifies a step across runs of dodas."""

    id: str
    identity: str
    name: str


@dataclass(slots=True, kw_only=True)
class Job:
    """One job.

    Attributes:
        number: Ours, unique in the run.
        steps: Its steps, as they are in its order.
        left: Positions of steps that have not come to their end.
        unbegun: Positions of steps that its node gave back.
        late: Whether its node has told that it takes longer than was thought.
        owed: Who waits for the result of which of them: position in the order to the id of today.
        tries: What was tried before.
        id: HTCondor's, once it is known.
        state: Where it is.
        node: Where it runs or ran.
        kind: Which steps it is like, for what is learnt of their length.
        items: What differs between the jobs of a transaction; dropped when it has been submitted.
        holds: How often it was held.
        requeues: How often HTCondor itself ran it again because a node could not do it.
        ending: How it ended.
        cancelled: Whether we removed it.
    """

    number: int
    steps: tuple[Label, ...]
    left: set[int] = field(default_factory=set)
    unbegun: set[int] = field(default_factory=set)
    late: bool = False
    owed: dict[int, str] = field(default_factory=dict)
    tries: Tries = NEW
    id: JobId | None = None
    state: State = State.SENDING
    node: str = ""
    kind: str = ""
    items: Mapping[str, str] | None = None
    holds: int = 0
    requeues: int = 0
    ending: Ending | None = None
    cancelled: bool = False
