"""One step on its way through the local backend."""

from __future__ import annotations

import time
from dataclasses import replace
from enum import Enum

from dodas.backends.admission import Room
from dodas.backends.gpus import Gpu
from dodas.backends.memory import Peaks
from dodas.backends.results import Circumstances
from dodas.containers.engines import engine
from dodas.containers.launch import Launch, Outcome
from dodas.containers.prepared import PreparedRoot
from dodas.step import Result, Step
from dodas.values import dataclass


class State(Enum):
    """Where a step is: IMAGE -> INPUTS -> WAITING -> RUNNING -> OUTPUTS, each of which may end it."""

    IMAGE = "its image is being prepared"
    INPUTS = "its inputs are being fetched"
    WAITING = "there is no room yet"
    RUNNING = "it was handed to the worker"
    OUTPUTS = "its outputs are being published"


@dataclass(slots=True)
class Job:
    """A step and all that is known of it; used by the loop's thread only."""

    step: Step
    age: int
    room: Room
    state: State = State.WAITING
    root: PreparedRoot | None = None
    engine: str = "host"
    gpus: tuple[Gpu, ...] = ()
    shown: Step | None = None  # with what was fetched where it was put
    launch: Launch | None = None
    handed: float = 0.0  # when the worker got it
    began: bool = False
    cancelled: bool = False
    over_memory: int = 0
    result: Result | None = None  # of its command, while its outputs are being published

    @property
    def begun(self) -> bool:
        """Whether its command was started, or is about to be."""
        return self.state in (State.RUNNING, State.OUTPUTS)

    def hand_over(self, launch: Launch) -> None:
        """Note that the worker has it."""
        self.launch = launch
        self.state = State.RUNNING
        self.handed = time.monotonic()

    def depth(self) -> int:
        """Return how many generations below the supervisor the step's own processes begin.

        An engine with a process namespace has a process 1 of ours in it.
        """
        return 2 if engine(self.engine).own_pids else 1

    def circumstances(self, memory: Peaks) -> Circumstances:
        """Return what the result needs to know."""
        launch = self.launch
        return Circumstances(
            engine=self.engine,
            image_digest=self.root.digest if self.root is not None else None,
            stdout=launch.stdout if launch is not None else None,
            stderr=launch.stderr if launch is not None else None,
            memory=replace(memory, resident=max(memory.resident, self.over_memory)),
            over_memory=self.over_memory > 0,
            cancelled=self.cancelled,
        )

    def outcome(self, told: Outcome) -> Outcome:
        """Return the outcome with the wall time that a worker which died cannot have told."""
        if told.wall or not self.handed:
            return told
        return replace(told, wall=time.monotonic() - self.handed)
