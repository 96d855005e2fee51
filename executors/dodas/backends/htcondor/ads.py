"""From a job to what HTCondor is told of it.  Pure.

Nothing that a step says reaches HTCondor's own languages but numbers, names made harmless, and hints, which
are written in them: commands, paths and variables are in the order, which only the owner can read.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from dodas.backends.htcondor.jobs import Tries
from dodas.backends.htcondor.policy import NODE_FAULT, Policy
from dodas.errors import SpecError
from dodas.step import MIB, Step
from dodas.worker import remote

PREFIX = "htcondor."
_KIB = 1 << 10
_STAGING = 600  # seconds added to a step's time for what comes before and after it
_KEPT = 20  # seconds that a slot is kept for the steps that follow on what it made, which then start at once
_LEASE = 60  # seconds after which a node that is not heard of is given up
_HARMLESS = " /:,._-@+=~"
# By path and by name: which of them counts for what is in a directory differs between versions.
_SECRETS = "in/token,in/proxy,token,proxy"
# What the backend itself says; everything else is the user's to say.
_OURS = frozenset(
    {
        *("executable", "transfer_executable", "arguments", "universe", "initialdir", "log", "log_xml"),
        *("output", "error", "input", "should_transfer_files", "when_to_transfer_output", "queue"),
        *(
            "transfer_input_files",
            "transfer_output_files",
            "transfer_output_remaps",
            "submit_event_user_notes",
            "encrypt_input_files",
        ),
        *("request_cpus", "request_memory", "on_exit_remove", "noop_job", "max_retries"),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What is the same for all jobs of a run.

    Attributes:
        run: Identifies the run.
        name: What people call it.
        folder: Directory with a directory for each job.
        log: The event log.
        worker: The worker file.
        shared: Whether nodes see the disk of the submit side.
        policy: What the user wants to be tried.
    """

    run: str
    name: str
    folder: str
    log: str
    worker: str
    shared: bool
    policy: Policy


def hints_of(step: Step, defaults: Mapping[str, str]) -> dict[str, str]:
    """Return the submit commands that a step, or else the run, asks for.

    Raises:
        SpecError: One is the backend's own, or cannot be written.
    """
    asked = dict(defaults)
    asked.update((name[len(PREFIX) :], value) for name, value in step.hints if name.startswith(PREFIX))
    for name, value in asked.items():
        plain = name[1:] if name.startswith("+") else name
        if not plain.isidentifier() or not plain.isascii() or "\n" in value or "\x1f" in value:
            raise SpecError(
                f"step {step.name!r} gives HTCondor the impossible setting {name!r}",
                hint="name a command of submit files, or +Attribute, and give it one line",
            )
        if name.lower() in _OURS or plain.lower().startswith("dodas"):
            raise SpecError(
                f"step {step.name!r} sets {name} for HTCondor, which dodas sets itself",
                hint="use the step's resources, or leave it out",
            )
    return asked


def item(
    number: int,
    steps: Sequence[Step],
    tries: Tries,
    hints: Mapping[str, str],
    *,
    requeues: int = 0,
    until: int = 0,
) -> dict[str, str]:
    """Return what differs from one job to the next.

    Args:
        number: The job's.
        steps: Its steps; the job asks for the most that one of them asks for, and the time of all.
        tries: What was tried before.
        hints: Submit commands.
        requeues: How often HTCondor itself runs it elsewhere when a node cannot do it.
        until: Unix time until which the machines of ``tries`` are avoided.
    """
    asked = [step.resources for step in steps]
    first = steps[0]
    values = {
        "request_cpus": str(max(math.ceil(one.cores) for one in asked)),
        "request_memory": _most((one.memory for one in asked), MIB),
        "request_disk": _most(((one.disk or 0) + (one.scratch or 0) or None for one in asked), _KIB),
        "request_gpus": str(max(one.gpus for one in asked) or ""),
        "allowed_execute_duration": "",
        "+MaxRuntime": "",
        "+DodasStep": _text(first.id),
        "+DodasName": _text(first.name),
        "+DodasSteps": str(len(steps)),
        "+DodasRequeues": str(requeues),
        "+DodasAvoid": _text(",".join(tries.avoid)) if tries.avoid else "",
        "+DodasAvoidUntil": str(until) if tries.avoid else "",
        "encrypt_input_files": _SECRETS if any(map(remote.is_involved, steps)) else "",
    }
    limits = [one.walltime.total_seconds() for one in asked if one.walltime is not None]
    if len(limits) == len(asked):
        seconds = math.ceil(sum(limits))
        values["+MaxRuntime"] = str(seconds + _STAGING)
        values["allowed_execute_duration"] = str(2 * (seconds + _STAGING))
    values.update(hints)
    if "requirements" in hints:
        values["requirements"] = f"&& ({hints['requirements']})"
    values["dodasjob"] = str(number)
    return {name: value for name, value in values.items() if value}


def description(site: Site, names: Iterable[str]) -> tuple[dict[str, str], dict[str, str]]:
    """Return what jobs with items of these names have in common, and the variable of each name."""
    variables = {
        name: "dodasjob" if name == "dodasjob" else f"dodasvalue{index}" for index, name in enumerate(names)
    }
    shared = {
        "executable": _escaped(site.worker),
        "arguments": "run order.json",
        "initialdir": f"{_escaped(site.folder)}/$(dodasjob)",
        "log": _escaped(site.log),
        "output": "worker.out",
        "error": "worker.err",
        "+JobBatchName": _text(site.name),
        "+DodasRun": _text(site.run),
        "+DodasJob": "$(dodasjob)",
        "+WantIOProxy": "true",
        "submit_event_user_notes": "dodas job $(dodasjob)",
        "job_lease_duration": str(_LEASE),
        "keep_claim_idle": str(_KEPT),
        "on_exit_remove": f"ExitBySignal || ExitCode =!= {NODE_FAULT} || NumJobCompletions > DodasRequeues",
        **(_IN_PLACE if site.shared else _TRANSFERRED),
    }
    shared.update((name, f"$({variable})") for name, variable in variables.items() if name != "dodasjob")
    shared["requirements"] = f"{_requirements(site.policy)} {shared.get('requirements', '')}"
    return shared, variables


_IN_PLACE = {"should_transfer_files": "NO", "transfer_executable": "false"}
_TRANSFERRED = {
    "should_transfer_files": "YES",
    "when_to_transfer_output": "ON_EXIT",
    "transfer_input_files": "order.json,in,out",
    "transfer_output_files": "out",
}


def _requirements(policy: Policy) -> str:
    """Not the machine that had it last, for a while, nor for a while those that we name.

    Only attributes that a new job does not have are looked at, so that new jobs stay alike to the negotiator.
    """
    machine = 'split(TARGET.Name, "@")[1]'
    last = f'{machine} =?= split(LastRemoteHost ?: "", "@")[1]'
    since = "time() - (JobCurrentStartDate ?: 0) - (LastRemoteWallClockTime ?: 0)"
    named = f'stringListIMember({machine}, DodasAvoid ?: "") =?= true'
    return f"(!({last}) || {since} > {policy.avoid}) && (!({named}) || time() > (DodasAvoidUntil ?: 0))"


def requeues(site: Site, steps: Sequence[Step], tries: Tries) -> int:
    """Return how often HTCondor itself is to run a job elsewhere, whether we are there to see it or not.

    Not one of several steps, some of which may be done; and where an image may have to be sent along to be
    had at all, one try less, which is then ours.
    """
    if len(steps) > 1:
        return 0
    ours = 1 if not site.shared and tries.lost == 0 and steps[0].image is not None else 0
    return max(0, site.policy.retries - tries.lost - ours)


def _most(values: Iterable[int | None], unit: int) -> str:
    known = [value for value in values if value is not None]
    return str(math.ceil(max(known) / unit)) if known else ""


def _text(text: str) -> str:
    """Return a string for an ad, in which nothing has a meaning to any of HTCondor's languages."""
    return '"' + quote(text.encode(errors="surrogateescape"), safe=_HARMLESS) + '"'


def _escaped(path: str) -> str:
    return path.replace("$", "$(DOLLAR)")
