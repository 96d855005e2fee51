#!/usr/bin/env python3
"""Debian packages and all they depend on, fetched and unpacked by an ordinary user.

The set-up runs this before anything is installed (standard library only)::

    python tools/debs.py fetch bwa samtools              # prints the files
    python tools/debs.py unpack --into ~/prefix skopeo   # then use ~/prefix/usr/bin/skopeo
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "executors"))

from dodas.containers.packages.debs import DebsError, closure, default_cache, unpack

__all__ = ["DebsError", "closure", "default_cache", "unpack"]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Debian packages without root.")
    parser.add_argument("action", choices=("fetch", "unpack"))
    parser.add_argument("packages", nargs="+", metavar="PACKAGE")
    parser.add_argument("--into", type=Path, metavar="DIR", help="where to unpack")
    parser.add_argument("--suite", default="bookworm", help="Debian release (default: %(default)s)")
    parser.add_argument("--cache", type=Path, metavar="DIR", help=f"default: {default_cache()}")
    parser.add_argument("--without", action="append", default=[], metavar="PACKAGE", help="take as installed")
    parser.add_argument("--refresh", action="store_true", help="look for newer versions")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Fetch or unpack packages: 0 worked, 1 did not, 2 wrong usage."""
    parser = _parser()
    args = parser.parse_args(argv)
    if (args.action == "unpack") != (args.into is not None):
        parser.error("unpack needs --into DIR" if args.into is None else "fetch takes no --into")
    try:
        debs = closure(
            args.packages, without=args.without, cache=args.cache, suite=args.suite, refresh=args.refresh
        )
        if args.into is not None:
            unpack(debs, args.into)
    except DebsError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    sys.stdout.writelines(f"{path}\n" for path in (debs if args.into is None else [args.into]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
