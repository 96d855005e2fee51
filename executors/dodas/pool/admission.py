"""Tokens with which workers join a central manager that exists already: the user's own, or made for each.

They must allow a worker to advertise itself, and nothing else: jobs of others may run beside them.
"""

from __future__ import annotations

import base64
import json
import os
import shlex
import shutil
import stat
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dodas import whole
from dodas.errors import BackendError, SpecError
from dodas.pool.definition import Existing
from dodas.pool.trust import NODE_POWERS

CREATE, FETCH = "condor_token_create", "condor_token_fetch"
"""Makes a token of anybody where the pool's key can be read; and one of the user's own, which the collector
signs."""

_PATIENCE = 5.0  # seconds
_NEEDED = "ADVERTISE_STARTD"
_HARMLESS = frozenset((*NODE_POWERS, "READ"))
_ORDER = " ".join(f"-authz {power}" for power in NODE_POWERS)


def from_file(path: str, trust: str) -> str:
    """Return the tokens in a file of the user's.

    Args:
        path: The file, as HTCondor has them: a token a line.
        trust: TRUST_DOMAIN of the pool; empty if it is not known.

    Raises:
        SpecError: There is none, it is not of this pool or over, it may do more, or others can read it.
    """
    try:
        with open(path, encoding="ascii") as file:
            mode = os.fstat(file.fileno()).st_mode
            lines = [line.strip() for line in file]
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise SpecError(f"manager.token_file {path} cannot be read: {reason}", hint=wanted(trust)) from error
    if stat.S_IMODE(mode) & 0o077:
        raise SpecError(f"others can read the token in {path}", hint=f"chmod 600 {shlex.quote(path)}")
    found = [line for line in lines if line and not line.startswith("#")]
    wrong = [fault for token in found for fault in _faults(token, trust)]
    if wrong or not found:
        what = f"the token in {path} {wrong[0]}" if wrong else f"there is no token in {path}"
        raise SpecError(what, hint=wanted(trust))
    return "\n".join(found) + "\n"


def made(maker: str, identity: str, *, seconds: float, config: str, collector: str) -> str:
    """Return a new token.

    Args:
        maker: :data:`CREATE` or :data:`FETCH`.
        identity: Whom it is to make its holder; of a fetched one that is the user.
        seconds: How long it is to be good for.
        config: CONDOR_CONFIG for the command.
        collector: Which collector is to sign it.

    Raises:
        BackendError: The command did not make one.
    """
    whose = ["-identity", identity] if maker == CREATE else ["-type", "COLLECTOR", "-pool", collector]
    words = [maker, *whose, *_ORDER.split(), "-lifetime", str(int(seconds))]
    try:
        done = subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_PATIENCE,
            check=False,
            env={**os.environ, "CONDOR_CONFIG": config},
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        said = error.strerror if isinstance(error, OSError) else f"no answer within {_PATIENCE:.0f} s"
        raise BackendError(f"{maker}: {said}") from error
    token = done.stdout.strip()
    if done.returncode or len(token.split(".")) != 3 or any(_faults(token, "")):
        said = " ".join(done.stderr.split())[-300:] or f"exit status {done.returncode}"
        raise BackendError(f"{maker}: {said}", hint=f"see that this works: {' '.join(words)}")
    return token + "\n"


def makers(user: str, trust: str) -> Iterator[tuple[str, str]]:
    """Yield the commands that are here, each with whom its tokens are to make a worker."""
    if shutil.which(CREATE):
        # The first is what HTCondor calls its own daemons, and what most pools let in.
        yield from ((CREATE, f"{name}@{trust}") for name in dict.fromkeys(("condor", user)))
    if shutil.which(FETCH):
        yield FETCH, f"{user}@{trust}"


def place(path: str, existing: Existing, *, given: str, seconds: float, config: str, collector: str) -> None:
    """Write the token of a worker.

    Args:
        path: The file.
        existing: What it is to join.
        given: The user's own file; empty if a token is to be made.
        seconds: How long that is to be good for.
        config: CONDOR_CONFIG.
        collector: Address of the collector.

    Raises:
        SpecError: The user's own will not do any more.
        BackendError: None can be made any more.
    """
    if given:
        token = from_file(given, existing.trust)
    else:
        token = made(existing.maker, existing.identity, seconds=seconds, config=config, collector=collector)
    whole.write(path, token)


def wanted(trust: str) -> str:
    """Return what to do for a token that will do."""
    return (
        f"have one made on the central manager: {CREATE} -identity condor@{trust or 'TRUST_DOMAIN'} {_ORDER};"
        " name the file with it, which you alone can read, as manager.token_file"
    )


def _faults(token: str, trust: str) -> Iterator[str]:
    """Yield what is wrong with a token."""
    claims = _claims(token)
    if claims is None:
        yield "is none of HTCondor's"
        return
    powers = _powers(claims)
    if trust and claims.get("iss") != trust:
        yield f"is one of {str(claims.get('iss'))!r}, and this pool is {trust}"
    elif float(claims.get("exp", time.time() + 60)) <= time.time():
        yield "has expired"
    elif _NEEDED not in powers:
        yield f"allows all that its holder may do, not only {_NEEDED}" if not powers else f"lacks {_NEEDED}"
    elif not _HARMLESS.issuperset(powers):
        more = ", ".join(sorted(set(powers) - _HARMLESS))
        yield f"allows more than workers need, which jobs beside them could use: {more}"


def _claims(token: str) -> Mapping[str, Any] | None:
    try:
        part = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
        float(claims.get("exp", 0))
    except (ValueError, LookupError, TypeError, AttributeError):
        return None
    return claims if isinstance(claims, dict) else None


def _powers(claims: Mapping[str, Any]) -> Sequence[str]:
    return [word.rpartition("/")[2] for word in str(claims.get("scope", "")).split()]
