"""A step of a job, with what belongs to it alone."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from dodas.step import Step
from snakemake_executor_plugin_dodas.command.command import Command


@dataclass(frozen=True, slots=True)
class Part:
    """A step of a single job, and the command whose files go when it ended.

    Attributes:
        step: The step.
        job: The job; ``None`` for a group that is one step.
        command: Its command; ``None`` for that of a second Snakemake.
        digest: See :func:`~snakemake_executor_plugin_dodas.step.identity.digest`; empty if nobody asks.
    """

    step: Step
    job: Any = None
    command: Command | None = None
    digest: str = ""

    def tidy(self) -> None:
        """Remove what belongs to the step alone."""
        if self.command is not None:
            self.command.tidy()

    def opened(self) -> Part:
        """Make the directories that its command expects, and return it."""
        for folder in self.command.folders if self.command is not None else ():
            os.makedirs(folder, exist_ok=True)
        return self
