"""What is allowed in a description, and perhaps not what its author meant."""

from __future__ import annotations

from collections.abc import Iterator

from dodas.pool.description.expressions import is_bare_name
from dodas.pool.description.model import PoolDescription, Site

_CYCLES = 120.0  # seconds, two of HTCondor's NEGOTIATOR_INTERVAL


def remarks(pool: PoolDescription, now: float) -> tuple[str, ...]:
    """Return sentences about a description, as of the Unix time ``now``."""
    return (
        *(*_reach(pool), *_matching(pool), *_budget(pool)),
        *(*_unused(pool), *_images(pool), *_sites(pool, now)),
    )


def _reach(pool: PoolDescription) -> Iterator[str]:
    manager = pool.manager
    if manager.host or manager.collector:
        return
    far = sorted({one.provider for one in pool.flavours if pool.provider(one.provider).kind != "local"})
    if far:
        yield (
            "manager.host is not set, so only workers on this host can join:"
            f" those of {', '.join(far)} cannot if they are elsewhere"
        )


def _matching(pool: PoolDescription) -> Iterator[str]:
    for flavour in pool.flavours if pool.manager.collector else ():
        if flavour.idle < _CYCLES:
            yield (
                f"flavours.{flavour.name}: a worker may go (idle) before it gets a job: the negotiator"
                " of the pool that it joins looks once a minute, unless it is told otherwise"
            )


def _budget(pool: PoolDescription) -> Iterator[str]:
    cores = pool.budget.cores
    for flavour in pool.flavours:
        if cores is not None and flavour.cores > cores:
            yield f"flavours.{flavour.name}: its {flavour.cores} cores exceed budget.cores, {cores}"
        if flavour.maximum == 0:
            yield f"flavours.{flavour.name}: none starts, since its maximum is 0"
        if flavour.lifetime <= pool.elasticity.boot:
            yield f"flavours.{flavour.name}: a worker that boots slowly is at its end before its first job"


def _unused(pool: PoolDescription) -> Iterator[str]:
    for what, names, used in (
        ("providers", [one.name for one in pool.providers], {one.provider for one in pool.flavours}),
        ("sites", [one.name for one in pool.sites], {one.site for one in pool.flavours}),
    ):
        yield from (f"{what}.{name}: no flavour uses it" for name in names if name not in used)


def _images(pool: PoolDescription) -> Iterator[str]:
    for flavour in pool.flavours:
        site, kind = pool.site(flavour.site), pool.provider(flavour.provider).kind
        if kind in ("kubernetes", "marathon") and site is not None and (site.mounts or site.cvmfs):
            yield (
                f"flavours.{flavour.name}: {kind} mounts nothing of the node: what the site {site.name} wants"
                " of /cvmfs and mounts must be in the image"
            )


def _sites(pool: PoolDescription, now: float) -> Iterator[str]:
    for site in pool.sites:
        if site.end_time is not None and site.end_time <= now:
            yield f"sites.{site.name}.end_time has passed: no worker starts there"
        yield from _bare(site)


def _bare(site: Site) -> Iterator[str]:
    known = {name.lower() for name, _ in site.attributes}
    for name, expression in site.attributes:
        if is_bare_name(expression) and expression.lower() not in known:
            yield (
                f"sites.{site.name}.attributes.{name} is the value of the attribute {expression}; if it is"
                f" to be a text, write it as '\"{expression}\"'"
            )


def named_files(pool: PoolDescription) -> Iterator[tuple[str, str]]:
    """Yield the files that a description names, each with its field."""
    for name, path in (("token_file", pool.manager.token), ("condor_config", pool.manager.condor_config)):
        if path:
            yield f"manager.{name}", path
    for provider in pool.providers:
        for name, value in provider.settings:
            field = f"providers.{provider.name}.{name}"
            if isinstance(value, str) and (name.endswith("_file") or name in ("template", "kubeconfig")):
                yield field, value
            elif name == "secret_inputs" and isinstance(value, tuple):
                yield from ((f"{field}.{pair[0]}", str(pair[1])) for pair in value if isinstance(pair, tuple))


def most(pool: PoolDescription) -> tuple[int, int]:
    """Return how many workers, and cores, there can be at once."""
    workers = sum(one.maximum for one in pool.flavours)
    cores = sum(one.maximum * one.cores for one in pool.flavours)
    budget = pool.budget
    return (
        min(workers, workers if budget.workers is None else budget.workers),
        min(cores, cores if budget.cores is None else budget.cores),
    )
