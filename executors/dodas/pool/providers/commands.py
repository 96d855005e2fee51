"""Running the commands of a batch system: bounded in time, their words made errors of providers."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence

from dodas.pool.providers.base import NotAuthorised, ProviderUnavailable, QuotaExceeded, Refused

_PATIENCE = 45.0  # seconds
_SAID = 300

_QUOTA = ("limit", "quota", "qosmax", "maxsubmit", "too many")
_LATER = (
    "unable to contact",
    "connection refused",
    "timed out",
    "timeout",
    "socket timed out",
    "resource temporarily unavailable",
    "controller is in",
    "not responding",
    "can't find address",
    "failed to connect",
    "error communicating",
    "protocol authentication",  # munge while it starts again
)
# Of the environment; there may be secrets in the rest, and batch systems give it to jobs.
_GIVEN = ("DODAS_STATE", "PYTHONPATH", "HOME", "PATH", "USER", "LOGNAME", "TZ", "TMPDIR", "KRB5CCNAME")
_PREFIXES = ("SLURM_", "SBATCH_", "CONDOR_", "_CONDOR_")
_KEPT_OUT = ("permission denied", "access denied", "invalid account", "not authorized", "authentication")


def run(words: Sequence[str], *, given: str = "", config: dict[str, str] | None = None) -> str:
    """Run a command and return what it printed.

    Args:
        words: The command; it is looked for on ``PATH``.
        given: Its standard input.
        config: Variables for it, beside the few of this process that it needs.

    Raises:
        ProviderUnavailable: It did not end in time, or says that it may work later.
        QuotaExceeded: It speaks of a limit.
        NotAuthorised: It wants another user or account.
        Refused: It failed otherwise, or is not there.
    """
    try:
        done = subprocess.run(
            words,
            input=given,
            text=True,
            errors="replace",
            capture_output=True,
            timeout=_PATIENCE,
            check=False,
            env={**_given(), "LC_ALL": "C.UTF-8", **(config or {})},
        )
    except subprocess.TimeoutExpired as error:
        raise ProviderUnavailable(f"{words[0]} did not answer within {_PATIENCE:.0f} s") from error
    except OSError as error:
        raise Refused(
            f"{words[0]} cannot be run here: {error.strerror}",
            hint="run dodas where the commands of the batch system are, and on PATH",
        ) from error
    if done.returncode:
        raise refusal(words[0], done.stderr or done.stdout)
    return done.stdout


def _given() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name in _GIVEN or name.startswith(_PREFIXES)}


def refusal(command: str, said: str) -> ProviderUnavailable | QuotaExceeded | NotAuthorised | Refused:
    """Return the error that the words of a command stand for."""
    words = " ".join(said.split())[-_SAID:]
    problem, low = f"{command} failed: {words or 'it said nothing'}", words.lower()
    if any(word in low for word in _LATER):
        return ProviderUnavailable(problem)
    if any(word in low for word in _QUOTA):
        return QuotaExceeded(problem, hint="ask for less, or wait until others have ended")
    if any(word in low for word in _KEPT_OUT):
        return NotAuthorised(problem, hint="see that account, partition and quality of service are right")
    return Refused(problem, hint="correct what it complains of in pool.yaml")
