"""How a job is run: by its bare command, by those of its parts, or by a second Snakemake."""

from __future__ import annotations

from enum import Enum
from typing import Any

from snakemake_executor_plugin_dodas.releases import needs_cache_of_worker


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


def mode(job: Any, *, shared_files: bool, shared_disk: bool = True) -> Mode:
    """Return how ``job`` is run.

    Args:
        job: A single job or a group.
        shared_files: Whether Snakemake may work as if all jobs saw its files, where it sees them.
        shared_disk: Whether steps really see them.  Otherwise dodas brings them what they declare.
    """
    if not shared_files:
        return Mode.WORKER
    if job.is_group():
        return _group_mode(job, shared_disk)
    misled = shared_disk and _leaves_shadow(job)
    return Mode.DIRECT if _has_command(job) and not misled else Mode.WORKER


def reason_for_worker(job: Any, *, shared_files: bool) -> str:
    """Return what of ``job`` needs a second Snakemake, for people."""
    if not shared_files:
        return "--shared-fs-usage says that Snakemake itself has to bring the files"
    if job.is_group():
        return "its jobs are tied by pipes or services"
    if needs_cache_of_worker(job):
        return "it uses the cache between workflows"
    return "it has a run block" if job.is_run else "it is no shell, script, wrapper or notebook rule"


def is_simultaneous(job: Any) -> bool:
    """Return whether it is a group whose jobs need each other running, and somebody who ends a service."""
    return job.is_group() and any(single.pipe_or_service_output for single in job.jobs)


def _group_mode(group: Any, shared_disk: bool) -> Mode:
    layered = not shared_disk or any(job.container_img_url for job in group.jobs)
    return Mode.LAYERS if layered and not is_simultaneous(group) else Mode.WORKER


def _has_command(job: Any) -> bool:
    one = job.is_shell or job.is_script or job.is_wrapper or job.is_notebook
    return bool(one) and not needs_cache_of_worker(job)


def _leaves_shadow(job: Any) -> bool:
    """Return whether the job ignores its working directory.

    Snakemake writes the main process's own directory into notebooks and R Markdown.  With ``shadow:`` that
    is the wrong one, and the main process cannot change directory for a moment: its threads share it.
    """
    return bool(job.is_shadow) and bool(job.is_notebook or str(job.rule.script or "").endswith(".Rmd"))
