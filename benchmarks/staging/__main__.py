"""Measure and write the results beside this file."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from benchmarks.local import table
from benchmarks.local.table import Row
from benchmarks.staging import large, listing, servers, small
from benchmarks.staging.servers import Bench

_PARTS: dict[str, Callable[[Bench, int], Iterable[Row]]] = {
    "large": large.rows,
    "small": small.rows,
    "listing": listing.rows,
}
_USUAL = {"large": 1 << 30, "small": 2_000, "listing": 100_000}


def main() -> None:
    """Run the parts asked for; results are written only when all were, and as large as they should be."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.staging", description=__doc__)
    parser.add_argument("--only", choices=_PARTS, action="append", help="measure this part alone")
    parser.add_argument("--size", type=int, default=1, help="divide all sizes and numbers by this")
    parser.add_argument("--rounds", type=int, default=5, help="how often everything is measured (default: 5)")
    parser.add_argument("--home", help="directory to work in, on a local disk (default: a temporary one)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="dodas-bench-", dir=args.home) as home:
        rows: list[Row] = []
        with servers.run(Path(home), args.rounds) as bench:
            for name in args.only or _PARTS:
                print(f"measuring {name} …", file=sys.stderr)
                rows += _PARTS[name](bench, _USUAL[name] // args.size)
        whole = not args.only and args.size == 1
        print(table.write(rows, Path(__file__).parent if whole else Path(home)))


if __name__ == "__main__":
    main()
