"""The command line of a benchmark: all its parts or some, and where the results go."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TypeVar

from benchmarks.local import table
from benchmarks.local.table import Row

T = TypeVar("T")
_DESCRIPTION = "Measure and write the results beside this file."


def measure(
    folder: Path,
    parts: Mapping[str, Callable[[T], Iterable[Row]]],
    opened: Callable[[Path], AbstractContextManager[T]],
) -> None:
    """Run the parts that the command line asks for, and print their results.

    Args:
        folder: Directory of the benchmark, where results are written when all parts were run.
        parts: What measures each, by name.
        opened: Makes what they need, in a directory to work in.
    """
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{folder.name}", description=_DESCRIPTION)
    parser.add_argument(
        "--only", choices=parts, action="append", help="measure this part alone; write nothing"
    )
    parser.add_argument("--home", help="directory to work in, on a local disk (default: a temporary one)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="dodas-bench-", dir=args.home) as home:
        rows: list[Row] = []
        with opened(Path(home)) as bench:
            for name in args.only or parts:
                print(f"measuring {name} …", file=sys.stderr)
                rows += parts[name](bench)
        print(table.write(rows, Path(home) if args.only else folder))
