"""What kinds of jobs there are."""

from __future__ import annotations

from typing import Any

from snakemake_executor_plugin_dodas.releases import needs_cache_of_worker


def has_command(job: Any) -> bool:
    """Return whether ``job`` is a command that can be run without a second Snakemake."""
    one = job.is_shell or job.is_script or job.is_wrapper or job.is_notebook
    return bool(one) and not needs_cache_of_worker(job)


def ignores_shadow(job: Any) -> bool:
    """Return whether ``job`` has a shadow directory and would work elsewhere if the main process ran it.

    Snakemake writes the main process's own directory into notebooks and R Markdown.  With ``shadow:`` that
    is the wrong one, and the main process cannot change directory for a moment: its threads share it.
    """
    return bool(job.is_shadow) and bool(job.is_notebook or str(job.rule.script or "").endswith(".Rmd"))


def is_simultaneous(job: Any) -> bool:
    """Return whether it is a group whose jobs need each other running, and somebody who ends a service."""
    return job.is_group() and any(single.pipe_or_service_output for single in job.jobs)
