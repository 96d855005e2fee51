"""Measure on a pool of this host and write the results beside this file."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

from benchmarks.htcondor import first_step, pool, queue, rate, snakemake_jobs
from benchmarks.local import table
from benchmarks.local.bench import Bench

_PARTS = {
    "first": first_step.rows,
    "rate": rate.rows,
    "snakemake": snakemake_jobs.rows,
    "queue": queue.rows,
}


def main() -> None:
    """Run the parts asked for; results are written only when all were."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.htcondor", description=__doc__)
    parser.add_argument(
        "--only", choices=_PARTS, action="append", help="measure this part alone; write nothing"
    )
    parser.add_argument("--home", help="directory to work in, on a local disk (default: a temporary one)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="dodas-bench-", dir=args.home) as home:
        os.environ["DODAS_STATE"] = f"{home}/state"
        bench = Bench(home=Path(home))
        bench.condor_image()
        rows = []
        with pool.running("bench") as one:
            for name in args.only or _PARTS:
                print(f"measuring {name} …", file=sys.stderr)
                rows += _PARTS[name](bench, one)
        folder = Path(home) if args.only else Path(__file__).parent
        print(table.write(rows, folder))


if __name__ == "__main__":
    main()
