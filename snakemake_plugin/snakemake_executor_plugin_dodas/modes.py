"""How a job is run: by its bare command, by those of its parts, or by a second Snakemake."""

from __future__ import annotations

from enum import Enum
from typing import Any

from snakemake_executor_plugin_dodas.kinds import has_command, is_simultaneous
from snakemake_executor_plugin_dodas.releases import needs_cache_of_worker
from snakemake_executor_plugin_dodas.stored import obstacle


class Mode(Enum):
    """Ways to run a job.

    Attributes:
        DIRECT: The main process submits the command itself.
        LAYERS: A group: its jobs are submitted like others, one layer of it after the other.
        WORKER: A second Snakemake runs the job on the host.
    """

    DIRECT = "direct"
    LAYERS = "layers"
    WORKER = "worker"


def mode(job: Any, *, shared_files: bool, shared_disk: bool = True, left: bool = False) -> Mode:
    """Return how ``job`` is run.

    Args:
        job: A single job or a group.
        shared_files: Whether Snakemake may work as if all jobs saw its files, where it sees them.
        shared_disk: Whether steps really see them.  Otherwise dodas brings them what they declare.
        left: Whether Snakemake leaves files on storage to jobs, and steps can see to them.
    """
    if not shared_files:
        return _stored_mode(job) if left else Mode.WORKER
    if job.is_group():
        return _group_mode(job, shared_disk)
    misled = shared_disk and _leaves_shadow(job)
    return Mode.DIRECT if has_command(job) and not misled else Mode.WORKER


def reason_for_worker(job: Any, *, shared_files: bool) -> str:
    """Return what of ``job`` needs a second Snakemake, for people."""
    if not shared_files:
        why = next(filter(None, map(obstacle, job.jobs if job.is_group() else [job])), "")
        return "--shared-fs-usage says that Snakemake itself has to bring the files" + (
            why and f", and {why}"
        )
    if job.is_group():
        return "its jobs are tied by pipes or services"
    if needs_cache_of_worker(job):
        return "it uses the cache between workflows"
    return "it has a run block" if job.is_run else "it is no shell, script, wrapper or notebook rule"


def _stored_mode(job: Any) -> Mode:
    if job.is_group():
        alone = is_simultaneous(job) or any(map(obstacle, job.jobs))
        return Mode.WORKER if alone else Mode.LAYERS
    return Mode.WORKER if obstacle(job) else Mode.DIRECT


def _group_mode(group: Any, shared_disk: bool) -> Mode:
    layered = not shared_disk or any(job.container_img_url for job in group.jobs)
    return Mode.LAYERS if layered and not is_simultaneous(group) else Mode.WORKER


def _leaves_shadow(job: Any) -> bool:
    """Return whether the job ignores its working directory.

    Snakemake writes the main process's own directory into notebooks and R Markdown.  With ``shadow:`` that
    is the wrong one, and the main process cannot change directory for a moment: its threads share it.
    """
    return bool(job.is_shadow) and bool(job.is_notebook or str(job.rule.script or "").endswith(".Rmd"))
