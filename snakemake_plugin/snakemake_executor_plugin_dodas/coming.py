"""What is different in a Snakemake that has plugins for software, and with interface 10 for executors."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from dodas.errors import SpecError
from snakemake_executor_plugin_dodas.command.capture import NotCapturableError

_CONTAINER = "container"


def deployment_methods(workflow: Any) -> set[str]:
    """Return the ways to deploy software that the user chose, in letters only: ``conda``, ``envmodules``."""
    settings = workflow.deployment_settings
    chosen = getattr(settings, "deployment_methods", None)
    chosen = settings.deployment_method if chosen is None else chosen
    return {str(method).replace("-", "").replace("_", "") for method in chosen}


def deployment_options(workflow: Any) -> tuple[str, ...] | None:
    """Return them as an option of a second Snakemake has them; ``None`` where it wants plugins instead."""
    chosen = getattr(workflow.deployment_settings, "deployment_method", None)
    return None if chosen is None else tuple(sorted(map(str, chosen)))


def image_of(job: Any) -> str | None:
    """Return the image of a single job, as its rule names it; ``None`` if it names none."""
    if hasattr(job, "container_img_url"):
        url: str | None = job.container_img_url
        return url
    wanted = [job.software_env_spec]
    while wanted:
        spec = wanted.pop(0)
        if spec is not None:
            if spec.kind == _CONTAINER:
                return str(spec.image_uri)
            wanted += [spec.fallback, spec.within]
    return None


def environment(job: Any) -> Any | None:
    """Return what a plugin for software puts around commands of a job on the host; ``None`` for nothing.

    Containers are not among it: they are run by dodas.
    """
    chosen = getattr(job, "software_env", None)
    return None if chosen is None or chosen.spec.kind == _CONTAINER else chosen


def run_args(job: Any, workflow: Any, arguments: dict[str, Any], *, in_image: bool) -> Any | None:
    """Return what Snakemake hands to the function of a rule in one piece; ``None`` if it does not do that.

    Args:
        job: A prepared job.
        workflow: Its workflow.
        arguments: What it hands over in many pieces.
        in_image: Whether the command is for a container.

    Raises:
        NotCapturableError: A second Snakemake has to find out how a script is started in the image.
        SpecError: The user has not let it.
    """
    made: Any = getattr(import_module("snakemake.executors.local"), "RunArgs", None)
    if made is None:
        return None
    if in_image and not job.is_shell:
        if job.software_env is None:
            raise SpecError(
                f"rule {job.rule.name!r} has a container, and no shell command",
                hint="add the option --sdm dodas: in this release Snakemake itself starts scripts there",
            )
        raise NotCapturableError("its script runs in a container")
    return made(
        **{name: arguments[name] for name in (*_SAME, "input", "output", "log") if name in arguments},
        job_rule=job.rule,
        benchmark=None,
        benchmark_repeats=1,
        benchmark_extended=False,
        linemaps=workflow.linemaps,
        debug=False,
        cache_path=arguments["sourcecache_path"],
        runtime_cache_path=arguments["runtime_sourcecache_path"],
        wrapper_prefix=workflow.workflow_settings.wrapper_prefix,
        not_block_search_path_envvars=workflow.deployment_settings.not_block_search_path_envvars,
        software_env=None if in_image else environment(job),
        software_deployment_provider_settings=workflow.software_deployment_provider_settings,
        bench_iteration=arguments["bench_iteration"] or 0,
    )


_SAME = (
    *("params", "wildcards", "threads", "resources", "cleanup_scripts", "shadow_dir", "jobid"),
    *("edit_notebook", "basedir", "runtime_paths"),
)
