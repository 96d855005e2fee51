"""How a job is run: by its bare command, by those of its parts, or by a second Snakemake.

:data:`CASES` is the rule, the cheapest way that gives the same result for each kind of job.  What is run,
what ``--dodas-explain`` says, and the table in the documentation all come from it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from snakemake_executor_plugin_dodas.coming import image_of
from snakemake_executor_plugin_dodas.course.kinds import has_command, ignores_shadow, is_simultaneous
from snakemake_executor_plugin_dodas.releases import needs_cache_of_worker
from snakemake_executor_plugin_dodas.step.stored import obstacle


class Mode(Enum):
    """Ways to run a job.

    Attributes:
        MAIN: Snakemake runs it by itself, without an executor.
        DIRECT: The main process submits the command itself.
        LAYERS: A group: its jobs are submitted like others, one layer of it after the other.
        WORKER: A second Snakemake runs the job on the host, and gets it its container if it has one.
    """

    MAIN = "main process"
    DIRECT = "direct"
    LAYERS = "layers"
    WORKER = "worker"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What decides on the mode.

    Attributes:
        job: A single job or a group.
        shared_files: Whether Snakemake may work as if all jobs saw its files, where it sees them.
        shared_disk: Whether steps really see them.  Otherwise dodas brings them what they declare.
        left: Whether Snakemake leaves files on storage to jobs, and steps can see to them.
        here: Whether steps run on this machine.
    """

    job: Any
    shared_files: bool
    shared_disk: bool = True
    left: bool = False
    here: bool = True

    def singles(self) -> list[Any]:
        """Return the single jobs that it is made of."""
        return list(self.job.jobs) if self.job.is_group() else [self.job]

    def obstacle(self) -> str:
        """Return what keeps steps from bringing and publishing the job's files, for people."""
        return next(filter(None, map(obstacle, self.singles())), "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One line of the rule.

    Attributes:
        what: The kind of job, for people.
        mode: How such jobs are run.
        why: The reason, for people: a clause.
        applies: Whether a job is of this kind, and of none before it.
    """

    what: str
    mode: Mode
    why: str
    applies: Callable[[Asked], bool]


CASES = (
    Case(
        what="`localrules:`, `localrule: True`, `handover:`, `template_engine:`, rules without a command",
        mode=Mode.MAIN,
        why="Snakemake keeps it for itself",
        applies=lambda asked: bool(asked.job.is_local),
    ),
    Case(
        what="jobs whose files `--shared-fs-usage` leaves to them, where the disk is shared",
        mode=Mode.WORKER,
        why="--shared-fs-usage says that Snakemake itself has to bring the files",
        applies=lambda asked: not asked.shared_files and not asked.left,
    ),
    Case(
        what="such jobs elsewhere, if dodas cannot fetch and publish their files, or that is not enough",
        mode=Mode.WORKER,
        why="--shared-fs-usage says that Snakemake itself has to bring the files",
        applies=lambda asked: not asked.shared_files and bool(asked.obstacle()),
    ),
    Case(
        what="groups with pipes or services",
        mode=Mode.WORKER,
        why="its jobs are tied by pipes or services, and somebody has to start them together and end them",
        applies=lambda asked: is_simultaneous(asked.job),
    ),
    Case(
        what="groups with a container, or without a shared disk; on this machine also those of commands only",
        mode=Mode.LAYERS,
        why="each of its jobs is run as it would be without the group, when those that it needs are done",
        applies=lambda asked: asked.job.is_group() and _goes_apart(asked),
    ),
    Case(
        what="other groups",
        mode=Mode.WORKER,
        why="one second Snakemake is enough for all of its jobs, and on a pool they wait only once",
        applies=lambda asked: bool(asked.job.is_group()),
    ),
    Case(
        what="`run:`",
        mode=Mode.WORKER,
        why="it has a run block, which is part of the Snakefile",
        applies=lambda asked: bool(asked.job.is_run),
    ),
    Case(
        what="`cwl:`",
        mode=Mode.WORKER,
        why="Snakemake writes its job order into a file that is gone when the command is known",
        applies=lambda asked: bool(asked.job.is_cwl),
    ),
    Case(
        what="`cache:` with Snakemake releases that do not let dodas use the cache",
        mode=Mode.WORKER,
        why="it uses the cache between workflows",
        applies=lambda asked: needs_cache_of_worker(asked.job),
    ),
    Case(
        what="`notebook:` and R Markdown with `shadow:`, where the disk is shared",
        mode=Mode.WORKER,
        why="Snakemake writes its own directory into it, which is not that of the shadow",
        applies=lambda asked: asked.shared_disk and ignores_shadow(asked.job),
    ),
    Case(
        what="`shell:`, `script:`, `wrapper:`, `notebook:`",
        mode=Mode.DIRECT,
        why="it is a command, and the main process does all else that it needs",
        applies=lambda asked: has_command(asked.job),
    ),
    Case(
        what="anything else",
        mode=Mode.WORKER,
        why="it is no shell, script, wrapper or notebook rule",
        applies=lambda asked: True,
    ),
)


def case(asked: Asked) -> Case:
    """Return the line of the rule that a job comes under: the first that applies."""
    return next(case for case in CASES if case.applies(asked))


def mode(asked: Asked) -> Mode:
    """Return how a job is run that Snakemake does not run by itself."""
    return next(case.mode for case in CASES if case.mode is not Mode.MAIN and case.applies(asked))


def reason(asked: Asked) -> str:
    """Return why a job is run as it is, for people."""
    found = case(asked)
    obstacle = "" if asked.shared_files or found.mode is not Mode.WORKER else asked.obstacle()
    return f"{found.why}, and {obstacle}" if obstacle else found.why


def reason_for_worker(job: Any, *, shared_files: bool) -> str:
    """Return what of ``job`` needs a second Snakemake, for people."""
    return reason(Asked(job=job, shared_files=shared_files))


def _goes_apart(asked: Asked) -> bool:
    if not asked.shared_disk or any(map(image_of, asked.singles())):
        return True
    return asked.here and all(has_command(job) and not ignores_shadow(job) for job in asked.singles())
