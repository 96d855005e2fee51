"""Add up histograms and cut counts of many files."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path
from typing import Any


def merged(histograms: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the sum of histograms, which must have the same bins."""
    total = histograms[0]
    for histogram in histograms[1:]:
        if histogram["edges"] != total["edges"]:
            raise SystemExit("histograms with different bins cannot be added")
        total = {
            kind: counts if kind == "edges" else [a + b for a, b in zip(counts, histogram[kind], strict=True)]
            for kind, counts in total.items()
        }
    return total


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--histograms", type=Path, nargs="+", required=True)
    parser.add_argument("--cuts", type=Path, nargs="+", required=True)
    parser.add_argument("--out-histogram", type=Path, required=True)
    parser.add_argument("--out-cuts", type=Path, required=True)
    args = parser.parse_args()
    histogram = merged([json.loads(path.read_text()) for path in args.histograms])
    cuts: Counter[str] = Counter()
    for path in args.cuts:
        cuts.update(json.loads(path.read_text()))
    args.out_histogram.write_text(json.dumps(histogram) + "\n")
    args.out_cuts.write_text(json.dumps(cuts, indent=2) + "\n")


if __name__ == "__main__":
    main()
