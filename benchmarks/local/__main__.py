"""Measure and write the results beside this file."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from benchmarks.local import cwl_scatter, preparing, snakemake_jobs, start, startup, table
from benchmarks.local.bench import Bench

_PARTS = {
    "start": start.rows,
    "prepare": preparing.rows,
    "snakemake": snakemake_jobs.rows,
    "cwl": cwl_scatter.rows,
    "startup": startup.rows,
}


def main() -> None:
    """Run the parts asked for; results are written only when all were."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.local", description=__doc__)
    parser.add_argument(
        "--only", choices=_PARTS, action="append", help="measure this part alone; write nothing"
    )
    parser.add_argument("--home", help="directory to work in, on a local disk (default: a temporary one)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="dodas-bench-", dir=args.home) as home:
        bench = Bench(home=Path(home))
        rows = []
        for name in args.only or _PARTS:
            print(f"measuring {name} …", file=sys.stderr)
            rows += _PARTS[name](bench)
        folder = Path(home) if args.only else Path(__file__).parent
        print(table.write(rows, folder))


if __name__ == "__main__":
    main()
