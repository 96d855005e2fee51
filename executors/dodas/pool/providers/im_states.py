"""How workers are, from what an Infrastructure Manager says of its machines."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

from dodas.pool.providers.base import Seen, State
from dodas.pool.providers.im_memory import Known
from dodas.pool.providers.rest_faults import redact

_LINES, _LONGEST = 2, 300

_STATES = {
    "pending": State.PENDING,
    "running": State.RUNNING,
    "configured": State.RUNNING,
    "unknown": State.RUNNING,
    "unconfigured": State.FAILED,
    "failed": State.FAILED,
    "stopped": State.ENDED,
    "off": State.ENDED,
    "deleting": State.ENDED,
}

DEAD = ("failed", "stopped", "off")
"""Machines that answer nobody: with one of them among its machines an infrastructure is never configured."""

_TROUBLE = ("fatal:", "error", "failed", "timeout", "unreachable")


def state_of(state: str, known: Known) -> State:
    """Return how the worker on a machine is.

    A machine becomes ``unconfigured`` also when it has its worker and another machine beside it cannot be
    configured: then its worker goes on.
    """
    if state == "unconfigured" and known.ready:
        return State.RUNNING
    if state == "off" and not known.ready:
        return State.FAILED  # it never came up
    return _STATES.get(state, State.RUNNING)


def needs_reason(state: str, known: Known) -> bool:
    """Return whether somebody should look why a machine is not well."""
    return not known.reason and state_of(state, known) is State.FAILED


def noted(state: str, known: Known) -> Known:
    """Return what is known of a machine once its state has been seen."""
    return replace(known, ready=True) if state == "configured" else known


def seen(infrastructure: str, states: Mapping[str, str], machines: Mapping[str, Known]) -> list[Seen]:
    """Return the workers of machines."""
    return [
        Seen(
            worker=machines[machine].worker,
            state=state_of(state, machines[machine]),
            handle=f"{infrastructure}/vms/{machine}",
            node=machines[machine].address,
            reason=machines[machine].reason or (f"the machine is {state}" if state in DEAD else ""),
        )
        for machine, state in states.items()
        if machine in machines
    ]


def why(message: str) -> str:
    """Return the lines of a contextualisation's messages that say what went wrong, the last ones."""
    lines = [" ".join(redact(_said(line)).split()) for line in message.splitlines()]
    telling = [
        line for line in lines if any(word in line.lower() for word in _TROUBLE) and not _says_nothing(line)
    ]
    chosen = list(dict.fromkeys(telling or [line for line in lines if line]))[-_LINES:]
    return "; ".join(line[:_LONGEST] for line in chosen)


def _said(line: str) -> str:
    """Return a line with the message of a task that failed instead of all that Ansible knows of it."""
    before, arrow, rest = line.partition(" => {")
    if not arrow:
        return line
    try:
        told = json.loads("{" + rest)
    except (ValueError, RecursionError):
        return line
    words = (str(told[name]).strip() for name in ("msg", "response", "stderr") if told.get(name))
    return f"{before} {', '.join(words) or rest}"


def clean(message: str) -> str:
    """Return messages without what looks like a secret, and without what a terminal would obey."""
    kept = "".join(sign for sign in redact(message) if sign.isprintable() or sign in "\n\t")
    return kept.strip() + "\n"


def _says_nothing(line: str) -> bool:
    """Tell lines that name no trouble: in which Ansible counts, and that it did not work."""
    return ("ok=" in line and "failed=" in line) or line.startswith("ERROR executing ")
