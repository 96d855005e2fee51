"""Which flavours of workers can take which jobs, and what is missing when none can."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import lru_cache
from importlib.util import find_spec
from typing import TYPE_CHECKING

from dodas.pool.agent.demand import Bucket
from dodas.pool.agent.job_ads import Kind, expression, references
from dodas.pool.agent.wording import size, some
from dodas.pool.description.model import Flavour, PoolDescription, Site

if TYPE_CHECKING:
    import classad2

_MIB, _KIB = 1 << 20, 1 << 10


def attributes(pool: PoolDescription) -> frozenset[str]:
    """Return the attributes of jobs that the pool's START expressions refer to."""
    starts = [flavour.start for flavour in pool.flavours] + [site.start for site in pool.sites]
    return frozenset().union(*(references(start, "TARGET") for start in starts))


def matched(pool: PoolDescription, buckets: Iterable[Bucket]) -> tuple[Bucket, ...]:
    """Return the buckets with the flavours that can take each, by size and by what both sides require.

    An expression that cannot be evaluated, because it asks for what only a real worker knows, is no obstacle;
    without HTCondor's Python module none is.
    """
    return tuple(replace(bucket, flavours=_flavours(pool, bucket)) for bucket in buckets)


def takes(flavour: Flavour, bucket: Bucket) -> bool:
    """Whether a fresh worker of a flavour has room for a job, and is not known to refuse it."""
    return fits(flavour, bucket) and (bucket.flavours is None or flavour.name in bucket.flavours)


def fits(flavour: Flavour, bucket: Bucket) -> bool:
    """Whether a fresh worker of a flavour is large enough for a job."""
    return (
        bucket.cores <= flavour.cores
        and bucket.memory <= flavour.memory
        and bucket.gpus <= flavour.gpus
        and (flavour.disk == 0 or bucket.disk <= flavour.disk)
    )


def missing(pool: PoolDescription, bucket: Bucket) -> str:
    """Return why no flavour can take the jobs of a bucket, as a sentence."""
    job = f"job {bucket.jobs[0]}" if bucket.jobs else "a job"
    if not pool.flavours:
        return f"{job} waits, and the pool has no flavours of workers"
    too_much = _too_much(pool, bucket)
    if too_much:
        return f"{job} asks for {too_much}"
    large = [flavour for flavour in pool.flavours if fits(flavour, bucket)]
    if not large:
        return f"{job} asks for {asks(bucket)} together, and no flavour has all of that"
    refused = [_refusal(pool, flavour, bucket) for flavour in large]
    return f"{job} is not taken by any flavour that is large enough: {'; '.join(refused)}"


def asks(bucket: Bucket) -> str:
    """Return what a job asks for: ``2 cores and 4 GiB``."""
    parts = [some(bucket.cores, "core")]
    parts += [size(bucket.memory)] * (bucket.memory > 0)
    parts += [f"{size(bucket.disk)} of disk"] * (bucket.disk > 0)
    parts += [some(bucket.gpus, "GPU")] * (bucket.gpus > 0)
    return " and ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else parts[0]


def _too_much(pool: PoolDescription, bucket: Bucket) -> str:
    """Return what a job asks for beyond the most that any worker has, and that; empty if there is no such."""
    endless = any(one.disk == 0 for one in pool.flavours)
    disk = bucket.disk if endless else max(one.disk for one in pool.flavours)
    rows: tuple[tuple[str, Callable[[int], str], int, int], ...] = (
        (some(bucket.gpus, "GPU"), str, bucket.gpus, max(one.gpus for one in pool.flavours)),
        (some(bucket.cores, "core"), str, bucket.cores, max(one.cores for one in pool.flavours)),
        (f"{size(bucket.memory)} of memory", size, bucket.memory, max(one.memory for one in pool.flavours)),
        (f"{size(bucket.disk)} of disk", size, bucket.disk, disk),
    )
    found = (
        f"{what} and the largest flavour has {text(most)}" for what, text, asked, most in rows if asked > most
    )
    return next(found, "")


def _refusal(pool: PoolDescription, flavour: Flavour, bucket: Bucket) -> str:
    by_job, by_worker = _verdict(bucket.kind, flavour, pool.site(flavour.site))
    if not by_job:
        return f"its Requirements refuse {flavour.name}"
    return f"START of {flavour.name} refuses it" if not by_worker else f"{flavour.name} was ruled out"


def _flavours(pool: PoolDescription, bucket: Bucket) -> frozenset[str]:
    return frozenset(
        flavour.name
        for flavour in pool.flavours
        if takes(flavour, bucket) and all(_verdict(bucket.kind, flavour, pool.site(flavour.site)))
    )


@lru_cache(maxsize=1 << 16)
def _verdict(kind: Kind, flavour: Flavour, site: Site | None) -> tuple[bool, bool]:
    """Return whether the job may accept the worker, and whether the worker may accept the job."""
    starts = [start for start in (flavour.start, site.start if site else "") if start]
    requirements = kind[4]
    if not (requirements or starts) or find_spec("classad2") is None:
        return True, True
    job, machine = _job(kind), _machine(flavour, site)
    return (
        _may(requirements, job, machine),
        all(_may(start, machine, job) for start in starts),
    )


def _may(text: str, own: classad2.ClassAd, other: classad2.ClassAd) -> bool:
    """Whether an expression is not surely false; undefined and errors come from what nobody knows yet."""
    import classad2  # noqa: PLC0415 - not everybody has it

    if not text:
        return True
    try:
        return _parsed(text).eval(own, other) not in (False, 0)
    except (classad2.ClassAdException, RuntimeError, TypeError, ValueError):
        return True


@lru_cache(maxsize=1024)
def _parsed(text: str) -> classad2.ExprTree:
    import classad2  # noqa: PLC0415 - not everybody has it

    return classad2.ExprTree(text)


@lru_cache(maxsize=16)  # the flavours of one kind come one after the other
def _job(kind: Kind) -> classad2.ClassAd:
    cores, memory, disk, gpus, _, pairs = kind
    sizes = {"RequestCpus": cores, "RequestMemory": -(-memory // _MIB), "RequestDisk": -(-disk // _KIB)}
    return _ad(
        {**{name: str(value) for name, value in sizes.items()}, "RequestGPUs": str(gpus), **dict(pairs)}
    )


@lru_cache(maxsize=256)
def _machine(flavour: Flavour, site: Site | None) -> classad2.ClassAd:
    """Return the ad that a fresh worker will have, as far as the description tells."""
    known: dict[str, object] = {
        "Cpus": flavour.cores,
        "TotalCpus": flavour.cores,
        "Memory": flavour.memory // _MIB,
        "TotalMemory": flavour.memory // _MIB,
        "GPUs": flavour.gpus,
        "OpSys": "LINUX",
        "Arch": "X86_64",
        "HasFileTransfer": True,
        "PartitionableSlot": True,
        "DodasFlavour": flavour.name,
        "DodasProvider": flavour.provider,
        "DodasSite": flavour.site,
    }
    if flavour.disk:
        known |= {"Disk": flavour.disk // _KIB, "TotalDisk": flavour.disk // _KIB}
    own = dict(site.attributes) if site else {}
    return _ad({**{name: expression(value) for name, value in known.items()}, **own})


def _ad(expressions: dict[str, str]) -> classad2.ClassAd:
    import classad2  # noqa: PLC0415 - not everybody has it

    ad = classad2.ClassAd()
    for name, text in expressions.items():
        try:
            ad[name] = classad2.ExprTree(text)
        except classad2.ClassAdException:
            continue  # an attribute that is not there is one of which nothing is known
    return ad
