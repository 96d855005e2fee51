"""From Snakemake's resources of a job to those of a step."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from dodas.errors import SpecError
from dodas.step import Resources
from snakemake_executor_plugin_dodas.releases import expression

MB, MIB = 1_000_000, 1 << 20  # Snakemake's mem_mb and disk_mb are decimal
_GPUS = ("gpu", "gpus", "nvidia_gpu")
# `threads: 0` marks rules that hardly compute; a hundred of them share a core.
_HARDLY = 0.01
# What a second Snakemake takes for itself while a job of it runs, and some more.
_SNAKEMAKE = 256 << 20
# Submit commands that a rule may give as resources (condor_submit(1)).
_CONDOR = (
    "requirements",
    "rank",
    "accounting_group",
    "accounting_group_user",
    "priority",
    "concurrency_limits",
)
_SEMICOLONS = re.compile(r';(?=(?:[^"]*"[^"]*")*[^"]*$)')  # those outside of double quotes
_NAME = re.compile(r"[A-Za-z_]\w*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ceiling:
    """The most that one step can get; ``None`` where the backend sets no limit.

    A rule may ask for more than this machine has, written for a large cluster.  As with Snakemake's local
    execution it then gets the whole machine.
    """

    cores: float | None = None
    memory: int | None = None
    gpus: int | None = None


def allot(job: Any, guesses: Mapping[str, object], ceiling: Ceiling) -> Resources:
    """Return what the step of ``job`` may use.

    ``mem_mb`` and ``disk_mb`` count if the user set them.  What Snakemake puts there by itself (twice the
    size of the inputs, at least 1 GB) is a guess, too low for some steps to live with and too high to pack
    others.

    Args:
        job: A single job or a group.
        guesses: See :func:`~snakemake_executor_plugin_dodas.releases.own_guesses`.
        ceiling: The most that one step can get.

    Raises:
        SpecError: A resource has a value that makes no sense.
    """
    given = job.resources
    rules = [single.rule for single in (job.jobs if job.is_group() else (job,))]

    def size(name: str) -> int | None:
        decimal, binary = f"{name}_mb", f"{name}_mib"
        if given.get(decimal) is not None and _chosen(rules, decimal, guesses):
            return _size(given.get(decimal), MB)
        # Early releases do not make the one of the other.
        itself = any(rule.resources.get(binary) is not None for rule in rules)
        return _size(given.get(binary), MIB) if itself else None

    cores = float(job.threads) or _HARDLY
    memory, gpus = size("mem"), _gpus(given)
    return Resources(
        cores=cores if ceiling.cores is None else min(cores, ceiling.cores),
        memory=memory if memory is None or ceiling.memory is None else min(memory, ceiling.memory),
        disk=size("disk"),
        gpus=gpus if ceiling.gpus is None else min(gpus, ceiling.gpus),
        walltime=_walltime(given.get("runtime")),
    )


def with_room(resources: Resources, ceiling: Ceiling) -> Resources:
    """Return resources of which a second Snakemake, too, can live.

    The user's ``mem_mb`` may be less than Snakemake takes; it was meant for what the rule does.
    """
    memory = resources.memory
    if memory is None:
        return resources
    room = _SNAKEMAKE if ceiling.memory is None else min(_SNAKEMAKE, ceiling.memory)
    return replace(resources, memory=max(memory, room))


def lacking_gpus(jobs: Iterable[Any], ceiling: Ceiling) -> list[str]:
    """Return sentences about the rules of ``jobs`` that ask for more GPUs than their jobs get.

    Only about those that ask for a number.  It may be meant for a counter, as any resource can be.
    """
    if ceiling.gpus is None:
        return []
    asked = {
        (job.rule.name, number)
        for job in jobs
        for number in (expression(job.rule.resources.get(name)) for name in _GPUS)
        if isinstance(number, int) and number > ceiling.gpus
    }
    return [
        f"Rule {rule} asks for {number} GPUs and there are {ceiling.gpus} here: its jobs get those"
        for rule, number in sorted(asked)
    ]


def settle_handover(workflow: Any) -> None:
    """Give rules with ``handover:`` the cores of this machine.

    They are to have all that Snakemake may use, and without ``--cores`` it knows of none.
    """
    from dodas.backends import capacity  # noqa: PLC0415 - needed by few

    for rule in workflow.rules:
        if getattr(rule, "is_handover", False) and expression(rule.resources.get("_cores")) is None:
            chosen = workflow.resource_settings.local_cores
            rule.resources["_cores"] = max(1, int(chosen or capacity.cores()))


def hints(job: Any) -> tuple[tuple[str, str], ...]:
    """Return what the resources of ``job`` whose names begin with ``htcondor_`` say to HTCondor.

    Raises:
        SpecError: ``htcondor_attributes`` is not ``NAME=VALUE; NAME=VALUE``.
    """
    given = job.resources
    values = ((command, given.get(f"htcondor_{command}")) for command in _CONDOR)
    found = [(f"htcondor.{command}", str(value)) for command, value in values if value not in (None, "")]
    return (*found, *((f"htcondor.+{name}", value) for name, value in _attributes(given)))


def _attributes(given: Any) -> Iterator[tuple[str, str]]:
    text = str(given.get("htcondor_attributes") or "")
    for part in filter(str.strip, _SEMICOLONS.split(text)):
        name, equals, value = (word.strip() for word in part.partition("="))
        if not equals or not _NAME.fullmatch(name.removeprefix("+")) or not value:
            raise SpecError(
                f"htcondor_attributes: {part.strip()!r} is not NAME=VALUE",
                hint='write NAME=VALUE; NAME=VALUE, text in double quotes: Project="physics"; Urgent=true',
            )
        yield name.removeprefix("+"), value


def _chosen(rules: Iterable[Any], name: str, guesses: Mapping[str, object]) -> bool:
    guess = guesses.get(name)
    return guess is None or all(expression(rule.resources.get(name)) != guess for rule in rules)


def _size(number: Any, factor: int) -> int | None:
    # Not a number where it depends on files that a group makes by itself.
    return int(number * factor) if _is_number(number) and number > 0 else None


def _gpus(given: Any) -> int:
    value = next((given.get(name) for name in _GPUS if given.get(name) is not None), 0)
    try:
        return int(value)
    except ValueError:
        raise SpecError(
            f"{value!r} is not a number of GPUs", hint="set the resource gpu to an integer"
        ) from None


def _walltime(minutes: Any) -> timedelta | None:
    return timedelta(minutes=minutes) if _is_number(minutes) and minutes > 0 else None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
