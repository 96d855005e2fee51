"""What a schema cannot say: names that must exist, numbers that must fit each other, expressions."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Any

from dodas.pool.description.expressions import fault
from dodas.pool.description.model import Elasticity, Flavour
from dodas.pool.description.problems import Path

Complaint = tuple[Path, str]
Values = Mapping[str, Any]

_LEAST = 1 << 20
_DRAWN = ("kubernetes", "marathon")  # kinds that start images
_KINDS = ("slurm", "htcondor", "kubernetes", "im", "orchestrator", "marathon")
# Attributes that say who and how a machine is, or that workers set themselves.
_OWN = frozenset(
    (
        "name",
        "machine",
        "mytype",
        "targettype",
        "myaddress",
        "state",
        "activity",
        "requirements",
        "start",
        "rank",
    )
)


def check(values: Values) -> Iterator[Complaint]:
    """Yield what is wrong in values that the schema allows; fields may be missing that were not allowed."""
    yield from _manager(values.get("manager", {}))
    for name, site in values.get("sites", {}).items():
        yield from _site(site, ("sites", name))
    for name, flavour in values.get("flavours", {}).items():
        path = ("flavours", name)
        yield from _references(values, flavour, path)
        yield from _numbers(flavour, path)
        yield from _expression(flavour.get("start"), (*path, "start"))
    yield from _budget(values)
    yield from _elasticity(values.get("elasticity", {}))


def _manager(manager: Values) -> Iterator[Complaint]:
    if "collector" in manager:
        for name in ("host", "port"):
            if name in manager:
                yield ("manager", name), "is of a pool that dodas makes; with collector there is one already"
        if "*" in manager.get("users", ()) and len(manager["users"]) > 1:
            yield ("manager", "users"), "names everybody (*), and others beside"
    else:
        for name in ("schedd", "condor_config", "users", "token_file", "trust_domain"):
            if name in manager:
                yield ("manager", name), "is for a pool that exists already: give its collector too"


def _site(site: Values, path: Path) -> Iterator[Complaint]:
    yield from _expression(site.get("start"), (*path, "start"))
    for name, expression in site.get("attributes", {}).items():
        place = (*path, "attributes", name)
        if name.lower() in _OWN or name.lower().startswith("dodas"):
            use = "; use start of the site" if name.lower() in ("start", "requirements") else ""
            yield place, f"is set by the worker itself{use}"
        yield from _expression(expression, place)


def _references(values: Values, flavour: Values, path: Path) -> Iterator[Complaint]:
    providers, sites = values.get("providers", {}), values.get("sites", {})
    name = flavour.get("provider", "")
    if name and name != "local" and name not in providers:
        yield (*path, "provider"), _no_such("provider", name, [*providers, "local"])
    site = flavour.get("site", "")
    if site and site not in sites:
        yield (*path, "site"), _no_such("site", site, list(sites))
    kind = providers.get(name, {}).get("kind", "local" if name == "local" else "")
    if not kind:
        return
    for other in _KINDS:
        if other in flavour and other != kind:
            yield (*path, other), f"has no effect: the provider {name} is of kind {kind}"
    if kind in _DRAWN and "image" not in flavour:
        yield (*path, "image"), f"is missing: {kind} needs an image with HTCondor and Python that it can pull"
    if kind in _DRAWN and str(flavour.get("image", "")).startswith("localhost/"):
        yield (*path, "image"), f"is an image of this host, which {kind} cannot pull; push it to a registry"


def _numbers(flavour: Values, path: Path) -> Iterator[Complaint]:
    default = Flavour(name="", provider="")
    least, most = flavour.get("minimum", default.minimum), flavour.get("maximum", default.maximum)
    if least > most:
        which = "minimum" if "minimum" in flavour else "maximum"
        yield (*path, which), f"the minimum, {least}, is more than the maximum, {most}"
    lifetime, idle = flavour.get("lifetime", default.lifetime), flavour.get("idle", default.idle)
    if lifetime <= idle:
        which = "lifetime" if "lifetime" in flavour else "idle"
        yield (*path, which), "a worker must be allowed to live longer (lifetime) than to be idle (idle)"
    if idle == 0:
        yield (*path, "idle"), "must be more than 0: a worker is idle for a moment before its first job"
    for name in ("memory", "disk"):
        size = flavour.get(name, _LEAST)
        if size < _LEAST and (size, name) != (0, "disk"):
            yield (*path, name), f"{size} bytes are too little; give a unit, as in {size or 1}GiB"


def _budget(values: Values) -> Iterator[Complaint]:
    budget, flavours = values.get("budget", {}), values.get("flavours", {}).values()
    workers = sum(one.get("minimum", 0) for one in flavours)
    cores = sum(one.get("minimum", 0) * one.get("cores", 1) for one in flavours)
    for name, needed in (("workers", workers), ("cores", cores)):
        if budget.get(name, needed) < needed:
            yield (
                ("budget", name),
                f"{budget[name]} is less than the {needed} that the minima of flavours need",
            )


def _elasticity(elasticity: Values) -> Iterator[Complaint]:
    for name in ("interval", "boot", "backoff"):
        if elasticity.get(name) == 0:
            yield ("elasticity", name), "must be more than 0"
    default = Elasticity()
    first = elasticity.get("backoff", default.backoff)
    if elasticity.get("backoff_most", default.backoff_most) < first:
        which = "backoff_most" if "backoff_most" in elasticity else "backoff"
        yield ("elasticity", which), "the longest pause (backoff_most) is shorter than the first (backoff)"


def _expression(expression: str | None, path: Path) -> Iterator[Complaint]:
    if expression is not None and (wrong := fault(expression)):
        yield path, wrong


def _no_such(what: str, name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    if near:
        return f"there is no {what} called {name}; did you mean {near[0]}?"
    there = f"; there is {', '.join(known)}" if known else f"; add it below {what}s"
    return f"there is no {what} called {name}{there}"
