"""Job ads as HTCondor has them, turned into what jobs ask for: bytes, whole cores, texts."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from functools import lru_cache

from dodas.pool.description.model import Pairs

JobAd = Mapping[str, object]
Kind = tuple[int, int, int, int, str, Pairs]
"""Cores, memory, disk, GPUs, Requirements, attributes that matter."""

SIZES = ("RequestCpus", "RequestMemory", "RequestDisk", "RequestGPUs")
_IDLE = 1
_NEED_NO_WORKER = {7, 9, 12}  # scheduler, grid and local universe
_MIB, _KIB = 1 << 20, 1 << 10
_MOST = 1 << 62  # sizes beyond it are nonsense, and would not fit in a database
_STRING = re.compile(r'"(?:\\.|[^"\\])*"')
_NAME = re.compile(r"(?:\b(MY|TARGET)\s*\.\s*|(?<![\w.]))([A-Za-z_]\w*)\b(?!\s*[.(])", re.IGNORECASE)
_WORDS = {"true", "false", "undefined", "error", "is", "isnt", "my", "target"}
# What differs from job to job would make each a kind of its own; the sizes are in the kind already.
_NO_KIND = {
    *("requestcpus", "requestmemory", "requestdisk", "requestgpus", "clusterid", "procid", "globaljobid"),
    *("qdate", "enteredcurrentstatus", "lastmatchtime", "lastrejmatchtime", "lastremotehost"),
    *("jobstartdate", "jobcurrentstartdate", "numjobstarts", "numjobmatches", "numshadowstarts"),
    "lastremotewallclocktime",
    *("imagesize", "diskusage", "memoryusage", "residentsetsize"),
}


def is_waiting(ad: JobAd) -> bool:
    """Whether a job is one that a new worker could run."""
    return ad.get("JobStatus") == _IDLE and ad.get("JobUniverse", 5) not in _NEED_NO_WORKER


def identity(ad: JobAd) -> str:
    """Return what people call the job."""
    return f"{ad.get('ClusterId', '?')}.{ad.get('ProcId', 0)}"


def queued(ad: JobAd, now: float) -> float:
    """Return since when the job waits, Unix time: since it came, or since it last ran or was held."""
    since = ad.get("EnteredCurrentStatus") or ad.get("QDate")
    return float(since) if isinstance(since, int | float) and since < now else now


def kind_of(ad: JobAd, requirements: str, names: Collection[str]) -> Kind:
    """Return what makes jobs belong together.

    Args:
        ad: One of them.
        requirements: Its Requirements, as text.
        names: The attributes that matter beside sizes, sorted.
    """
    cores, memory, disk, gpus = SIZES
    return (
        max(1, _whole(ad, cores, 1)),
        _whole(ad, memory, 0) * _MIB,
        _whole(ad, disk, 0) * _KIB,
        _whole(ad, gpus, 0),
        requirements,
        tuple((name, expression(ad[name])) for name in names if name in ad),
    )


@lru_cache(maxsize=4096)
def references(text: str, scope: str) -> frozenset[str]:
    """Return the attributes of a job that an expression refers to.

    Args:
        text: The expression.
        scope: What the job is in it: ``MY`` in its own Requirements, ``TARGET`` in a START expression.
    """
    found = _NAME.findall(_STRING.sub('""', text))
    names = {name for prefix, name in found if prefix.upper() in {"", scope}}
    return frozenset(name for name in names if name.lower() not in _WORDS | _NO_KIND)


def expression(value: object) -> str:
    """Return a value of an ad as a ClassAd expression."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        text = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        return f'"{text}"'
    return str(value)


def _whole(ad: JobAd, name: str, default: int) -> int:
    """Return a request as a whole number, evaluated where it is an expression, rounded up."""
    value = ad.get(name, default)
    if type(value) is int:  # nearly always
        return min(max(value, 0), _MOST)
    evaluate = getattr(ad, "eval", None)
    if evaluate is not None and not isinstance(value, float | str):
        value = evaluate(name)
    try:
        return min(max(math.ceil(float(value)), 0), _MOST)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return default
