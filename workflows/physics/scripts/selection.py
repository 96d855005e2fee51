"""Select events with two good muons and compute the mass of the pair: events.npz -> pairs.npz, cuts.json."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

LEADING_PT, TRAILING_PT = 25.0, 15.0  # GeV
ETA = 2.4
ISOLATION = 0.15
MUON = 0.1057  # GeV


def good_pairs(events: Any) -> tuple[Any, Any]:
    """Return, for each event with two good muons, its number and the places of the two hardest ones."""
    owner = np.repeat(np.arange(len(events["nMuon"])), events["nMuon"])
    good = np.abs(events["Muon_eta"]) < ETA
    good &= events["Muon_isolation"] < ISOLATION
    good &= events["Muon_pt"] > TRAILING_PT
    places = np.flatnonzero(good)  # muons of an event lie beside each other, the hardest first
    numbers, first, count = np.unique(owner[places], return_index=True, return_counts=True)
    chosen = count >= 2
    pairs = np.stack((places[first[chosen]], places[np.minimum(first[chosen] + 1, len(places) - 1)]))
    hard = events["Muon_pt"][pairs[0]] > LEADING_PT
    return numbers[chosen][hard], pairs[:, hard]


def mass(events: Any, pairs: Any) -> Any:
    """Return the invariant mass of pairs in GeV."""
    pt, eta, phi = (events[f"Muon_{name}"].astype(float)[pairs] for name in ("pt", "eta", "phi"))
    energy = np.sqrt((pt * np.cosh(eta)) ** 2 + MUON**2).sum(axis=0)
    momentum = [(pt * part).sum(axis=0) for part in (np.cos(phi), np.sin(phi), np.sinh(eta))]
    return np.sqrt(np.maximum(energy**2 - sum(part**2 for part in momentum), 0))


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("events", type=Path)
    parser.add_argument("--pairs", type=Path, required=True, help="output: one entry for each selected event")
    parser.add_argument("--cuts", type=Path, required=True, help="output: events left after each cut")
    args = parser.parse_args()
    with np.load(args.events) as branches:
        events = {name: branches[name] for name in branches.files}
    numbers, pairs = good_pairs(events)
    opposite = events["Muon_charge"][pairs].sum(axis=0) == 0
    cuts: dict[str, int] = {
        "all events": len(events["nMuon"]),
        "two muons": int((events["nMuon"] >= 2).sum()),
        "two good muons": len(numbers),
        "of opposite charge": int(opposite.sum()),
    }
    signal = events["isSignal"][numbers]
    np.savez(args.pairs, mass=mass(events, pairs), opposite=opposite, signal=signal)
    args.cuts.write_text(json.dumps(cuts, indent=2) + "\n")


if __name__ == "__main__":
    main()
