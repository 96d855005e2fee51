"""What HTCondor gives a job on its node, read from the environment and the files that it puts there."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from contextlib import suppress

from dodas.node import surplus
from dodas.values import dataclass

_LINE = re.compile(r"^(\w+)\s*=\s*(.*?)\s*$", re.MULTILINE)
_MIB = 1 << 20
_SITE = "DODAS_SITE_VARIABLES"


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """The place of a job; what is not known is ``None`` or empty.

    Attributes:
        sandbox: Directory of the job alone, removed after it.
        cores: Processors given.
        memory: Bytes given.
        cache: Directory that the administrator wants caches in (``DodasCache`` of the machine).
        chirp: File that says how to reach the submit side.
        ad: File with the job's ad.
    """

    sandbox: str
    cores: float | None = None
    memory: int | None = None
    cache: str = ""
    chirp: str = ""
    ad: str = ""


def slot(environ: Mapping[str, str]) -> Slot:
    """Return what ``environ`` and the files that it names say."""
    sandbox = os.path.abspath(environ.get("_CONDOR_SCRATCH_DIR") or os.getcwd())
    machine = _ad(environ.get("_CONDOR_MACHINE_AD") or os.path.join(sandbox, ".machine.ad"))
    cores = _number(machine.get("Cpus", "")) or _number(environ.get("OMP_NUM_THREADS", ""))
    memory = _number(machine.get("Memory", ""))
    chirp = environ.get("_CONDOR_CHIRP_CONFIG") or os.path.join(sandbox, ".chirp.config")
    return Slot(
        sandbox=sandbox,
        cores=cores,
        memory=None if memory is None else int(memory * _MIB),
        cache=_text(machine.get("DodasCache", "")),
        chirp=chirp if os.path.exists(chirp) else "",
        ad=environ.get("_CONDOR_JOB_AD") or os.path.join(sandbox, ".job.ad"),
    )


def named(environment: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """Return the variables that a site gives jobs, and one that says which they are (:func:`of_site`)."""
    names = " ".join(name for name, _ in environment)
    return (*environment, (_SITE, names)) if names else ()


def of_site(environ: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Return the variables that the site gives to all steps; the rest of a job's are no step's business."""
    names = environ.get(_SITE, "").split()
    return tuple((name, environ[name]) for name in names if name in environ)


def given_back(place: Slot) -> frozenset[int]:
    """Return the positions of steps that an earlier start of the job gave back."""
    return surplus.positions(_text(_ad(place.ad).get(surplus.ATTRIBUTE, "")))


def visible_gpus(environ: Mapping[str, str]) -> str | None:
    """Return the value that ``CUDA_VISIBLE_DEVICES`` should have; ``None`` to leave it as it is."""
    assigned = environ.get("_CONDOR_AssignedGPUs")
    if assigned is None or "CUDA_VISIBLE_DEVICES" in environ:
        return None
    return re.sub(r"\bCUDA(\d+)", r"\1", assigned)


def _ad(path: str) -> dict[str, str]:
    """Return the attributes of an ad, each an expression as text (one a line, as HTCondor writes them)."""
    with suppress(OSError), open(path, encoding="utf-8", errors="surrogateescape") as file:
        return dict(_LINE.findall(file.read()))
    return {}


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if 0 < number < float("inf") else None


def _text(literal: str) -> str:
    if len(literal) < 2 or literal[0] != '"' or literal[-1] != '"':
        return ""
    return re.sub(r"\\(.)", r"\1", literal[1:-1])
