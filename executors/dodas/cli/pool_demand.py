"""`dodas pool` explain, scale, heal and metrics: what makes a pool follow its queue."""

from __future__ import annotations

import argparse
import json
import re

from dodas.cli.tally import printable
from dodas.errors import SpecError
from dodas.pool.agent import process
from dodas.pool.agent.by_hand import ByHand
from dodas.pool.on_demand import described

_LIMITS = re.compile(
    r"(?P<flavour>[^=]+)=(?:(?P<file>file)|(?:(?P<least>\d{1,6})\.\.)?(?P<most>\d{1,6}))", re.ASCII
)


def explain(args: argparse.Namespace) -> int:
    """Say why a job waits, why a worker came or went, or what was decided lately."""
    from dodas.pool.agent.answers import Asked

    found = Asked(described(args.name)).why(args.what or "")
    if args.json:
        print(json.dumps(found.facts, indent=2))
    else:
        for line in found.lines:
            print(printable(line))
    return 0


def scale(args: argparse.Namespace) -> int:
    """Set, or show, how many workers there are."""
    pool = described(args.name)
    limits = ByHand(pool.name)
    for text in args.limits:
        flavour, least, most = _parsed(text)
        if flavour not in {one.name for one in pool.flavours}:
            names = ", ".join(one.name for one in pool.flavours)
            raise SpecError(f"the pool {pool.name} has no flavour {flavour}", hint=f"name one of: {names}")
        limits.set(flavour, least, most)
    if args.limits:
        process.wake(pool.name)
    scaled = limits.applied(pool)
    if args.json:
        print(
            json.dumps(
                {one.name: {"minimum": one.minimum, "maximum": one.maximum} for one in scaled.flavours}
            )
        )
    else:
        for one in scaled.flavours:
            by_hand = " (by hand)" if limits.has(one.name) else ""
            print(f"{one.name:<22} {one.minimum} to {one.maximum}{by_hand}")
    return 0


def heal(args: argparse.Namespace) -> int:
    """Have the pool look after its workers now."""
    from dodas.pool.agent.requests import ask_to_replace

    pool = described(args.name)
    ask_to_replace(pool.name, args.worker)
    started = process.start(pool.name)
    process.wake(pool.name)
    print("its agent was started again" if started else "its agent looks now")
    return 0


def metrics(args: argparse.Namespace) -> int:
    """Print demand and supply for Prometheus."""
    from dodas.pool.agent.answers import Asked

    print(Asked(described(args.name)).metrics(), end="")
    return 0


def _parsed(text: str) -> tuple[str, int | None, int | None]:
    found = _LIMITS.fullmatch(text)
    if not found:
        raise SpecError(f"{text!r} does not say how many", hint="write FLAVOUR=MOST or FLAVOUR=LEAST..MOST")
    if found["file"]:
        return found["flavour"], None, None
    most = int(found["most"])
    least = int(found["least"]) if found["least"] else None
    if least is not None and least > most:
        raise SpecError(f"{text!r}: at least {least} is more than at most {most}", hint="turn them round")
    return found["flavour"], least, most
