"""Fill histograms of the mass of selected pairs: pairs.npz -> histogram.json."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pairs", type=Path)
    parser.add_argument("--low", type=float, default=60.0, help="GeV")
    parser.add_argument("--high", type=float, default=120.0, help="GeV")
    parser.add_argument("--bins", type=int, default=120)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    edges = np.linspace(args.low, args.high, args.bins + 1)
    with np.load(args.pairs) as pairs:
        mass, opposite, signal = pairs["mass"], pairs["opposite"], pairs["signal"].astype(bool)
    kinds = {
        "opposite_charge": opposite,
        "same_charge": ~opposite,
        "true_signal": opposite & signal,  # known for generated events only; no fit uses it
    }
    filled = {kind: np.histogram(mass[chosen], edges)[0].tolist() for kind, chosen in kinds.items()}
    args.out.write_text(json.dumps({"edges": edges.tolist(), **filled}) + "\n")


if __name__ == "__main__":
    main()
