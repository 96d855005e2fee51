"""Measure and write the results beside this file."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.pools import cycle, first_job, report, simulation

_PARTS = ("cycle", "simulation", "first-job")


def main() -> None:
    """Run the parts asked for; results are written only when all were."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pools", description=__doc__)
    parser.add_argument(
        "--only", choices=_PARTS, action="append", help="measure this part alone; write nothing"
    )
    parser.add_argument(
        "--instances",
        type=Path,
        metavar="DIRECTORY",
        help="simulate with recorded workflows too: a checkout of github.com/wfcommons/WfInstances",
    )
    args = parser.parse_args()
    parts: dict[str, Callable[[], list[report.Section]]] = {
        "cycle": cycle.measure,
        "simulation": lambda: simulation.measure(args.instances),
        "first-job": first_job.measure,
    }
    sections: list[report.Section] = []
    for name in args.only or _PARTS:
        print(f"measuring {name} …", file=sys.stderr)
        sections += parts[name]()
    with tempfile.TemporaryDirectory(prefix="dodas-bench-") as aside:
        print(report.write(sections, Path(aside) if args.only else Path(__file__).parent))


if __name__ == "__main__":
    main()
