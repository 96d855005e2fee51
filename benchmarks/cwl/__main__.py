"""Measure and write the results beside this file."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from benchmarks.cwl import scatter
from benchmarks.local import table
from benchmarks.local.table import Row

_PARTS = {"scatter": scatter.rows, "cache": scatter.rerun}


def main() -> None:
    """Run the parts asked for; results are written only when all were."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cwl", description=__doc__)
    parser.add_argument(
        "--only", choices=_PARTS, action="append", help="measure this part alone; write nothing"
    )
    parser.add_argument("--home", help="directory to work in, on a local disk (default: a temporary one)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="dodas-bench-", dir=args.home) as home:
        rows: list[Row] = []
        for name in args.only or _PARTS:
            print(f"measuring {name} …", file=sys.stderr)
            rows += _PARTS[name](Path(home))
        folder = Path(home) if args.only else Path(__file__).parent
        print(table.write(rows, folder))


if __name__ == "__main__":
    main()
