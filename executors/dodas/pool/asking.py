"""Asks a central manager that exists already, by another process (:mod:`.probe`) that is given up in time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from dodas.errors import BackendError, BackendUnreachable, DodasError, SpecError
from dodas.pool.description.model import Manager

_PATIENCE = 8.0  # seconds
_SAID = 300
_CREDENTIALS = (
    "see that you have a token of this pool (condor_token_list), and that manager.condor_config, or"
    " CONDOR_CONFIG, is the configuration with which you reach it"
)


def ask(
    verb: str,
    wishes: Mapping[str, Any],
    manager: Manager,
    config: str,
    environ: Mapping[str, str] | None = None,
) -> Mapping[str, Any]:
    """Return what the other process says.

    Args:
        verb: What it is to do.
        wishes: What it is told for that.
        manager: The central manager.
        config: CONDOR_CONFIG for it.
        environ: Further variables for it.

    Raises:
        SpecError: What the description names is not there.
        BackendError: The central manager does not answer, or not to us.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-m", "dodas.pool.probe", verb],
            input=json.dumps(wishes),
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_PATIENCE,
            check=False,
            env={**os.environ, "CONDOR_CONFIG": config, **(environ or {})},
        )
    except subprocess.TimeoutExpired as error:
        raise _error(manager, "silent", f"it was silent for {_PATIENCE:.0f} s") from error
    try:
        answer: Mapping[str, Any] = json.loads(done.stdout)
    except ValueError as error:
        said = " ".join(done.stderr.split())[-_SAID:]
        raise SpecError(
            f"HTCondor cannot use the configuration {manager.condor_config or 'of this host'}: {said}",
            hint="correct it, or name another as manager.condor_config",
        ) from error
    if "fault" in answer:
        raise _error(manager, str(answer["fault"]), str(answer["said"]), str(answer.get("hint", "")))
    return answer


def _error(manager: Manager, fault: str, said: str, hint: str = "") -> DodasError:
    collector = f"the collector {manager.collector}"
    match fault:
        case "unreachable" | "silent":
            return BackendUnreachable(
                f"{collector} does not answer: {said}",
                hint="see that manager.collector is right, that its pool is up (condor_status -collector"
                f" -pool {manager.collector}), and that no firewall is in between",
            )
        case "refused":
            return BackendError(f"{collector} refuses to talk to us: {said}", hint=_CREDENTIALS)
        case "queue":
            return BackendError(f"the queue does not take jobs of ours: {said}", hint=_CREDENTIALS)
        case "schedd":
            there = f"it knows {said}" if said else "it knows none"
            wanted = f"no queue called {manager.schedd}" if manager.schedd else "no queue of this host"
            return SpecError(
                f"{collector} has {wanted}; {there}", hint="name one that it knows as manager.schedd"
            )
    return DodasError(said, hint=hint)
