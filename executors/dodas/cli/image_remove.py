"""`dodas image` rm and gc."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from dodas.backends.words import size
from dodas.cli.sizes import parse_size, parse_time
from dodas.cli.tally import printable
from dodas.containers import collect
from dodas.containers.collect import Removed, Report
from dodas.containers.store import Store
from dodas.errors import ImageNotFound

_KINDS = {"image": "image", "container": "prepared root", "layer": "layer", "leftover": "leftover"}


def rm(args: argparse.Namespace) -> int:
    """Remove images; those after one that is not there as well."""
    store = Store()
    missing: ImageNotFound | None = None
    for name in args.names:
        try:
            report = collect.remove(store, name)
        except ImageNotFound as error:
            missing = missing or error
        else:
            _tell(report, "removed")
    if missing and not args.force:
        raise missing
    return 0


def gc(args: argparse.Namespace) -> int:
    """Remove what nobody needs."""
    report = collect.gc(
        Store(),
        keep_bytes=parse_size(args.keep) if args.keep else None,
        older_than=parse_time(args.older_than) if args.older_than else None,
        dry_run=args.dry_run,
    )
    if args.json:
        print(json.dumps(_fields(report, dry_run=args.dry_run), indent=2))
        return 0
    _tell(report, "would remove" if args.dry_run else "removed")
    for container in report.in_use:
        print(f"in use, stays: prepared root {container}", file=sys.stderr)
    verb = "would free" if args.dry_run else "freed"
    print(f"{verb} {size(report.freed)}" if report.removed else "nothing to remove")
    return 0


def _tell(report: Report, verb: str) -> None:
    for item in report.removed:
        about = f"  ({size(item.size)})" if item.size else ""
        print(f"{verb} {_KINDS.get(item.kind, item.kind)} {_name(item)}{about}")


def _name(item: Removed) -> str:
    name = item.name.removeprefix("sha256:")[:12] if item.kind == "layer" else item.name
    return printable(name)


def _fields(report: Report, *, dry_run: bool) -> dict[str, Any]:
    removed = [{"kind": item.kind, "name": item.name, "size": item.size} for item in report.removed]
    return {"dry_run": dry_run, "freed": report.freed, "removed": removed, "in_use": report.in_use}
