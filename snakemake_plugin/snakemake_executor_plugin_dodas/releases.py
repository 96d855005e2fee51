"""Where releases of Snakemake differ, from 9.15 on."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def own_guesses(workflow: Any) -> dict[str, object]:
    """Return what stands in a rule's resources where the user said nothing, by name.

    Compare with :func:`expression`.
    """
    module: Any = import_module("snakemake.resources")
    if hasattr(module, "Resources"):
        return {name: expression(value) for name, value in module.Resources.default("full").items()}
    chosen = workflow.resource_settings.default_resources
    untouched = module.DefaultResources.defaults.items() & chosen._args.items()
    return {name: expression(chosen.parsed[name]) for name, _ in untouched}


def expression(resource: Any) -> object:
    """Return what the value of a resource is computed from, if that is known."""
    return getattr(resource, "raw", resource)


def with_value(resources: Any, name: str, value: object) -> Any:
    """Return Snakemake's ``resources`` with another value for one of them."""
    return type(resources)(fromdict={**dict(resources.items()), name: value})


def cache_of(job: Any) -> Any | None:
    """Return what keeps the outputs of ``job`` for other workflows; ``None`` without ``--cache``."""
    workflow = job.rule.workflow
    cache = getattr(job.rule, "cache", None)
    used = workflow.workflow_settings.cache is not None and cache
    return cache if used and getattr(cache, "output", False) else None


def needs_cache_of_worker(job: Any) -> bool:
    """Return whether only a second Snakemake knows how to use the cache for ``job``."""
    workflow = job.rule.workflow
    return hasattr(workflow, "get_cache_mode") and bool(workflow.get_cache_mode(job.rule))


def unfinished(job: Any) -> str:
    """Return the word of the executor that is noted for outputs of ``job`` which are not recorded as done.

    It is empty if there is none, or not one for all of them.
    """
    persistence = job.rule.workflow.persistence
    # A database keeps the word also for jobs that are done.
    if hasattr(persistence, "_filter_incomplete_keys"):
        keys = [persistence._get_key(path) for path in job.output]
        if not persistence._filter_incomplete_keys(keys):
            return ""
    words = set(persistence.external_jobids(job)) - {None}
    return str(words.pop()) if len(words) == 1 else ""
