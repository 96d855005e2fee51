"""`dodas pool` up, down and image."""

from __future__ import annotations

import argparse
import json
import sys
import time

from dodas.cli.progress_bar import progress_bars
from dodas.cli.tally import printable
from dodas.errors import SpecError
from dodas.pool.layout import Layout


def up(args: argparse.Namespace) -> int:
    """Make a pool, or bring one up again."""
    return _up_described(args) if args.file else _up_local(args)


def _up_described(args: argparse.Namespace) -> int:
    from dodas.pool.on_demand import bring_up_described

    given = [name for name in ("name", "cpus", "memory", "image") if getattr(args, name) is not None]
    if given or args.shared_disk is not None:
        option = given[0] if given else "shared-disk"
        raise SpecError(f"--{option} is for --local", hint=f"write it into {args.file} instead")
    began = time.monotonic()
    with progress_bars(quiet=args.quiet) as progress:
        name, started = bring_up_described(args.file, progress=progress, say=lambda text: _tell(args, text))
    _told(args, Layout(name), started, time.monotonic() - began)
    return 0


def _up_local(args: argparse.Namespace) -> int:
    from dodas.backends import capacity
    from dodas.pool.bring_up import Wishes, bring_up

    began = time.monotonic()
    name = "local" if args.name is None else args.name
    layout = Layout(name)
    wishes = Wishes(
        cpus=_count(args.cpus),
        memory=_memory(args.memory),
        image=args.image,
        shared_disk=args.shared_disk,
    )
    room = max(1, int(capacity.cores())), max(1, capacity.memory() >> 20)
    with progress_bars(quiet=args.quiet) as progress:
        started = bring_up(name, wishes, room=room, progress=progress, say=lambda text: _tell(args, text))
    _told(args, layout, started, time.monotonic() - began)
    return 0


def _told(args: argparse.Namespace, layout: Layout, started: bool, took: float) -> None:
    if args.json:
        print(json.dumps({"name": layout.name, "started": started, "condor_config": layout.client_config}))
    else:
        _announce(layout, started, took)


def down(args: argparse.Namespace) -> int:
    """End a pool and remove all that it has."""
    from dodas.pool.definition import Definition
    from dodas.pool.take_down import take_down

    definition = Definition.read(Layout(args.name))
    lost = take_down(args.name, force=args.force)
    if definition is not None and definition.existing:
        schedd = printable(definition.existing.schedd)
        print(f"the pool {args.name} is gone; jobs stay in the queue of {schedd}")
        return 0
    print(f"the pool {args.name} is gone" + (f", and {lost} job{'s' * (lost != 1)} with it" if lost else ""))
    return 0


def image(args: argparse.Namespace) -> int:
    """Make the image with HTCondor."""
    from dodas.pool.image import RECIPE, make

    with progress_bars(quiet=args.quiet) as progress:
        made = make(progress=progress, say=lambda text: _tell(args, text), anew=args.refresh)
    print(f"{RECIPE.name} is {'made' if made else 'there already'}")
    return 0


def _announce(layout: Layout, started: bool, took: float) -> None:
    name = layout.name
    print(f"the pool {name} is up ({took:.1f} s)" if started else f"the pool {name} is up already")
    print(f"  run on it:  dodas cwl --backend htcondor --pool {name} WORKFLOW.cwl JOB.yml")
    print(f"              snakemake --executor dodas --dodas-backend htcondor --dodas-pool {name} --jobs N")
    print(f"  look at it: dodas pool status {name}")
    print(f"  end it:     dodas pool down {name}")


def _tell(args: argparse.Namespace, text: str) -> None:
    if not args.quiet:
        print(text, file=sys.stderr, flush=True)


def _count(text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 100_000):
        raise SpecError(f"{text!r} is not a number of processors", hint="write it like --cpus 4")
    return int(text)


def _memory(text: str | None) -> int | None:
    """Return MiB."""
    from dodas.cli.sizes import parse_size

    if text is None:
        return None
    size = parse_size(text) >> 20
    if size < 1:
        raise SpecError(f"{text!r} is less than a mebibyte", hint="write it like --memory 8GiB")
    return size
