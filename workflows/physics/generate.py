"""Make files of collision events: ``python generate.py DIRECTORY [--files N] [--events N] [--seed N]``.

Pairs of muons from the decay of a Z boson over a falling background, with the momenta smeared as a detector
would.  The files are NumPy archives with one array a branch, muons of all events one after the other, as
in the flat files of the LHC experiments.  What went in is written too, so that the fit can be compared with
it.  The same seed gives the same events; standard library only.
"""

from __future__ import annotations

import argparse
import io
import json
import math
import random
import zipfile
from array import array
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MASS, WIDTH = 91.1876, 2.4952  # GeV, of the Z boson
RESOLUTION = 0.015  # relative, of a muon's transverse momentum
SIGNAL_SHARE = 0.35
WINDOW = (50.0, 150.0)  # GeV, generated masses
SLOPE = 0.022  # 1/GeV, of the background's mass
_MUON = 0.1057  # GeV
_TYPES = {"f": "<f4", "b": "|i1", "i": "<i4"}


@dataclass(kw_only=True)
class Events:
    """The branches of one file; ``Muon_*`` has ``nMuon`` entries for each event."""

    branches: dict[str, array[Any]] = field(
        default_factory=lambda: {
            "event": array("i"),
            "isSignal": array("b"),
            "nMuon": array("i"),
            "Muon_pt": array("f"),
            "Muon_eta": array("f"),
            "Muon_phi": array("f"),
            "Muon_charge": array("b"),
            "Muon_isolation": array("f"),
        }
    )

    def add(self, number: int, signal: bool, muons: list[dict[str, float]]) -> None:
        """Add one event; muons are ordered by falling transverse momentum."""
        self.branches["event"].append(number)
        self.branches["isSignal"].append(signal)
        self.branches["nMuon"].append(len(muons))
        for muon in sorted(muons, key=lambda muon: -muon["pt"]):
            for name, value in muon.items():
                self.branches[f"Muon_{name}"].append(value)

    def write(self, path: Path) -> None:
        """Write the arrays as ``numpy.savez`` would (NEP 1, version 1.0), with no time in the file."""
        with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
            for name, values in self.branches.items():
                shape = {"descr": _TYPES[values.typecode], "fortran_order": False, "shape": (len(values),)}
                header = repr(shape).encode()
                header += b" " * (-(len(header) + 11) % 64) + b"\n"
                content = io.BytesIO()
                content.write(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
                content.write(values.tobytes())
                archive.writestr(zipfile.ZipInfo(f"{name}.npy"), content.getvalue())


def signal_mass(rng: random.Random) -> float:
    """Return a mass that follows a Breit-Wigner."""
    while True:
        mass = MASS + 0.5 * WIDTH * math.tan(math.pi * (rng.random() - 0.5))
        if WINDOW[0] < mass < WINDOW[1]:
            return mass


def background_mass(rng: random.Random) -> float:
    """Return a mass that follows a falling exponential."""
    while True:
        mass = WINDOW[0] + rng.expovariate(SLOPE)
        if mass < WINDOW[1]:
            return mass


def decay(rng: random.Random, mass: float) -> list[tuple[float, float, float]]:
    """Return the momenta (GeV) of two muons from a moving parent that decays evenly in all directions."""
    transverse, azimuth = rng.expovariate(1 / 14), rng.uniform(-math.pi, math.pi)
    parent = [transverse * math.cos(azimuth), transverse * math.sin(azimuth)]
    parent.append(math.hypot(mass, transverse) * math.sinh(rng.gauss(0, 1.1)))  # longitudinal
    energy = math.sqrt(mass**2 + sum(component**2 for component in parent))
    momentum = math.sqrt(mass**2 / 4 - _MUON**2)
    cosine, angle = rng.uniform(-1, 1), rng.uniform(-math.pi, math.pi)
    sine = math.sqrt(1 - cosine**2)
    direction = (sine * math.cos(angle), sine * math.sin(angle), cosine)
    muons = []
    for sign in (1, -1):
        rest = [sign * momentum * component for component in direction]
        along = sum(own * other for own, other in zip(rest, parent, strict=True))
        # Lorentz boost; in the rest frame each muon has half of the energy, which is the mass.
        factor = along / (mass * (energy + mass)) + 0.5
        x, y, z = (own + factor * other for own, other in zip(rest, parent, strict=True))
        muons.append((x, y, z))
    return muons


def measured(
    rng: random.Random, momentum: tuple[float, float, float], charge: int, jet: bool
) -> dict[str, float]:
    """Return a muon as the detector sees it; muons in jets have other particles beside them."""
    pt = math.hypot(momentum[0], momentum[1])
    return {
        "pt": pt * rng.gauss(1, RESOLUTION),
        "eta": math.asinh(momentum[2] / pt),
        "phi": math.atan2(momentum[1], momentum[0]),
        "charge": charge,
        "isolation": rng.expovariate(1 / (0.25 if jet else 0.03)),
    }


def event(rng: random.Random, events: Events, number: int) -> None:
    """Add one event."""
    signal = rng.random() < SIGNAL_SHARE
    pair = decay(rng, signal_mass(rng) if signal else background_mass(rng))
    first = rng.choice((-1, 1))
    # A good part of the background has two muons of the same charge: they have nothing to do with each other.
    second = -first if signal or rng.random() < 0.7 else first
    jet = not signal and rng.random() < 0.4
    muons = [measured(rng, p, c, jet) for p, c in zip(pair, (first, second), strict=True)]
    if rng.random() < 0.06:  # not every muon is seen
        muons.pop(rng.randrange(2))
    for _ in range(rng.random() < 0.08):  # a soft one from a jet
        soft = (rng.gauss(0, 5), rng.gauss(0, 5), rng.gauss(0, 15))
        muons.append(measured(rng, soft, rng.choice((-1, 1)), jet=True))
    events.add(number, signal, muons)


def write_jobs(directory: Path, files: list[str]) -> None:
    """Write the input objects of both front ends: ``job.yml`` for CWL, ``config.yml`` for Snakemake."""
    job = ["truth: {class: File, path: truth.json}", "events:"]
    job += [f"  - {{class: File, path: events/{name}.npz}}" for name in files]
    (directory / "job.yml").write_text("\n".join(job) + "\n")
    place = f"# The working directory is the one that holds this one.\ndata: {directory.name}\n"
    (directory / "config.yml").write_text(f"{place}files: [{', '.join(files)}]\n")


def generate(directory: Path, *, files: int = 10, events: int = 12_000, seed: int = 1) -> None:
    """Write ``files`` files of ``events`` events each into ``directory``, which is made if need be."""
    (directory / "events").mkdir(parents=True, exist_ok=True)
    names = [f"run{number:03}" for number in range(1, files + 1)]
    for name in names:
        rng = random.Random(f"{seed}/{name}")
        content = Events()
        for number in range(events):
            event(rng, content, number)
        content.write(directory / "events" / f"{name}.npz")
    # Two independent momenta are smeared, and the mass goes with the root of their product.
    truth = {"mass": MASS, "width": WIDTH, "resolution": round(MASS * RESOLUTION / math.sqrt(2), 4)}
    (directory / "truth.json").write_text(json.dumps(truth, indent=2) + "\n")
    write_jobs(directory, names)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description="Make files of collision events.")
    parser.add_argument("directory", type=Path)
    parser.add_argument("--files", type=int, default=10)
    parser.add_argument("--events", type=int, default=12_000, help="in each file (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    generate(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
