"""What people read when a job failed: why, where, with what, and its last words."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from dodas.step import Resources, Result, Usage
from snakemake_executor_plugin_dodas.step.part import Part
from snakemake_executor_plugin_dodas.told.tails import discreet, failed_members, tail
from snakemake_executor_plugin_dodas.used.quantities import length, size


def block(job: Any, part: Part, result: Result, secrets: Mapping[str, str]) -> str:
    """Return why a job failed, to stand behind ``message:`` in Snakemake's words on it.

    Args:
        job: The job, single or a group.
        part: The step that failed.
        result: How it ended.
        secrets: Variables whose values are not shown.
    """
    member = _member(job, part, result)
    lines = [f"{member}{_reason(result)}{_attempt(job)}"]
    lines += [f"    asked: {asked(part.step.resources)}"]
    if result.usage != Usage():
        lines += [f"    used: {used(result.usage)}"]
    if result.scratch:
        lines += [f"    kept: {result.scratch}"]
    lines += _last_words(job, part, result)
    # Its first line comes after "    message: ", and the others belong to it.
    return textwrap.indent(discreet("\n".join(lines), secrets), "    ").lstrip()


def logs(result: Result) -> list[str]:
    """Return the logs of a step that hold something."""
    return [path for path in (result.stderr, result.stdout) if path and _length(path)]


def drop_empty_logs(result: Result) -> None:
    """Remove the logs of a step that printed nothing."""
    for path in (result.stderr, result.stdout):
        if path and _length(path) == 0:
            os.remove(path)


def asked(resources: Resources) -> str:
    """Return what a step asked for: ``"2 cores, 300 MB memory, 5 min"``."""
    cores = f"{resources.cores:g} core{'s' * (resources.cores != 1)}"
    amounts = [cores]
    if resources.memory is not None:
        amounts.append(f"{size(resources.memory)} memory")
    if resources.disk is not None:
        amounts.append(f"{size(resources.disk)} disk")
    if resources.gpus:
        amounts.append(f"{resources.gpus} GPU{'s' * (resources.gpus != 1)}")
    if resources.walltime is not None:
        amounts.append(length(resources.walltime.total_seconds()))
    return ", ".join(amounts)


def used(usage: Usage) -> str:
    """Return what a step used: ``"0.9 cores, 212 MB memory, 12.3 s"``."""
    cores = f"{usage.cpu / usage.wall:.1f} cores, " if usage.wall > 0 else ""
    return f"{cores}{size(usage.peak_memory)} memory, {length(usage.wall)}"


def _reason(result: Result) -> str:
    reason = result.reason or f"exit status {result.exit_code}"
    if result.node and result.node not in reason:
        # A reason that advises ends with a clause of its own.
        first, semicolon, rest = reason.partition("; ")
        return f"{first}, on {result.node}{semicolon}{rest}"
    return reason


def _attempt(job: Any) -> str:
    attempts = int(job.restart_times) + 1
    return f" (attempt {job.attempt} of {attempts})" if attempts > 1 else ""


def _member(job: Any, part: Part, result: Result) -> str:
    """Return which job of a group it was, as far as that is known; empty for a single job."""
    if not job.is_group():
        return ""
    members = [part.job] if part.job is not None else list(_told(job, result))
    names = [f"rule {single.rule.name} (jobid {single.jobid})" for single in members]
    return f"{', '.join(names)}: " if names else ""


def _told(group: Any, result: Result) -> Iterator[Any]:
    """Yield the jobs of a group that its second Snakemake says have failed."""
    for rule, outputs in failed_members(result.stderr):
        for single in group.jobs:
            words = {word.split(" ")[0] for word in outputs.split(", ")}
            if single.rule.name == rule and (words & {str(path) for path in single.output} or not words):
                yield single


def _last_words(job: Any, part: Part, result: Result) -> list[str]:
    own = [("standard error", result.stderr), ("standard output", result.stdout)]
    rule = [] if job.is_group() and part.job is None else (part.job or job).log._plainstrings()
    for what, path in (*own, *((f"the log {path}", path) for path in rule)):
        lines = tail(path, of_worker=part.command is None)
        if lines:
            return [f"    Last lines of {what}:", *(f"        {line}" for line in lines)]
    return []


def _length(path: str) -> int | None:
    try:
        return os.path.getsize(path)
    except OSError:
        return None
