"""Fit a peak over a falling background to a mass spectrum: histogram.json -> fit.json, mass.png.

The peak is a Breit-Wigner of known width seen with the detector's resolution, a Gaussian; the background is
an exponential.  The fit maximises the Poisson likelihood of the bins.

Runs in the image of this workflow and in public ones: Python 3.10, numpy, scipy 1.4, matplotlib 3.6.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import minimize
from scipy.special import voigt_profile

RANGE = (70.0, 112.0)  # GeV, of the fit
NAMES = ("mass", "resolution", "signal", "background", "slope")


class Spectrum:
    """Counts in bins, and the model of them."""

    def __init__(self, edges: Any, counts: Any, width: float) -> None:
        """Take the bins in the range of the fit.  ``width`` is that of the resonance in GeV."""
        inside = (edges[:-1] >= RANGE[0]) & (edges[1:] <= RANGE[1])
        self.inside, self.counts, self.width = inside, counts[inside], width
        self.low, self.high = edges[:-1][inside], edges[1:][inside]
        # Gauss-Legendre points in every bin: the peak is narrow, the middle of a bin is not its mean.
        points, weights = np.polynomial.legendre.leggauss(4)
        middle, half = (self.low + self.high) / 2, (self.high - self.low) / 2
        self.points = middle[:, None] + half[:, None] * points
        self.weights = half[:, None] * weights

    def parts(self, values: Any) -> tuple[Any, Any]:
        """Return the expected counts of signal and background in each bin."""
        mass, resolution, signal, background, slope = values
        peak = (voigt_profile(self.points - mass, resolution, self.width / 2) * self.weights).sum(axis=1)
        fall = (np.exp(-slope * (self.points - RANGE[0])) * self.weights).sum(axis=1)
        return signal * peak / peak.sum(), background * fall / fall.sum()

    def cost(self, values: Any) -> float:
        """Return minus the logarithm of the likelihood, up to a constant."""
        expected = np.maximum(sum(self.parts(values)), 1e-9)
        return float((expected - self.counts * np.log(expected)).sum())


def hessian(function: Callable[[Any], float], at: Any, steps: Any) -> Any:
    """Return the second derivatives of a function by central differences."""
    size = len(at)
    shifts = np.diag(steps)
    result = np.empty((size, size))
    for i in range(size):
        for j in range(i, size):
            corners = [
                sign_i * sign_j * function(at + sign_i * shifts[i] + sign_j * shifts[j])
                for sign_i in (1, -1)
                for sign_j in (1, -1)
            ]
            result[i, j] = result[j, i] = sum(corners) / (4 * steps[i] * steps[j])
    return result


def fit(spectrum: Spectrum) -> dict[str, Any]:
    """Return the best values with their uncertainties."""
    total = float(spectrum.counts.sum())
    peak = spectrum.low[int(np.argmax(spectrum.counts))]
    scale = np.array([1.0, 0.1, total / 10, total / 10, 0.01])
    start = np.array([peak, 1.2, total / 2, total / 2, 0.02])
    bounds = np.array([(80, 100), (0.2, 5), (0, 2 * total), (0, 2 * total), (-0.1, 0.2)]) / scale[:, None]
    done = minimize(
        lambda scaled: spectrum.cost(scaled * scale),
        start / scale,
        method="L-BFGS-B",
        bounds=bounds,
        options={"maxiter": 1000, "ftol": 1e-13, "gtol": 1e-6},
    )
    values = done.x * scale
    errors = np.sqrt(np.diag(np.linalg.inv(hessian(spectrum.cost, values, 0.02 * scale))))
    expected = sum(spectrum.parts(values))
    chi2 = float(((spectrum.counts - expected) ** 2 / expected).sum())
    found = {
        name: {"value": float(f"{value:.6g}"), "error": float(f"{error:.3g}")}
        for name, value, error in zip(NAMES, values, errors, strict=True)
    }
    return {**found, "chi2": round(chi2, 2), "degrees_of_freedom": len(expected) - len(NAMES)}


def compare(found: dict[str, Any], truth: dict[str, float], signal: int) -> dict[str, Any]:
    """Return what was generated, and how many standard deviations the fit is off."""
    known = {"mass": truth["mass"], "resolution": truth["resolution"], "signal": signal}
    return {
        name: {"true": value, "pull": round((found[name]["value"] - value) / found[name]["error"], 2)}
        for name, value in known.items()
    }


def draw(path: Path, histogram: dict[str, Any], spectrum: Spectrum, found: dict[str, Any]) -> None:
    """Draw the spectrum with the fit, and how far each bin is from it."""
    from matplotlib import pyplot as plt  # noqa: PLC0415 - reads the environment when imported

    figure, (upper, lower) = plt.subplots(
        2, 1, figsize=(8, 7), dpi=110, sharex=True, height_ratios=(3.2, 1), gridspec_kw={"hspace": 0.06}
    )
    edges = np.array(histogram["edges"])
    centres, bins = (edges[:-1] + edges[1:]) / 2, edges[1] - edges[0]
    counts = np.array(histogram["opposite_charge"])
    signal, background = spectrum.parts([found[name]["value"] for name in NAMES])
    x = (spectrum.low + spectrum.high) / 2
    upper.errorbar(
        centres, counts, np.sqrt(counts), fmt="o", ms=3, lw=0.9, color="black", label="opposite charge"
    )
    upper.stairs(histogram["same_charge"], edges, color="#cc79a7", label="same charge")
    upper.plot(x, signal + background, color="#d55e00", lw=1.8, label="fit")
    upper.plot(x, background, "--", color="#0072b2", lw=1.5, label="background of the fit")
    upper.set(ylabel=f"events / {bins:g} GeV")
    upper.set_ylim(0, 1.12 * counts.max())
    upper.legend(frameon=False, loc="upper right")
    upper.text(0.03, 0.95, _words(found), transform=upper.transAxes, va="top", fontsize=9, linespacing=1.5)
    pulls = (spectrum.counts - signal - background) / np.sqrt(signal + background)
    lower.axhline(0, color="#d55e00", lw=1)
    lower.plot(x, pulls, "o", ms=3, color="black")
    lower.set(xlabel="mass of the muon pair (GeV)", ylabel="data - fit\n(std. dev.)", ylim=(-4.5, 4.5))
    lower.set_xlim(edges[0], edges[-1])
    for axes in (upper, lower):
        axes.spines[["top", "right"]].set_visible(False)
    # Without the version of matplotlib in it, the picture depends on what it shows only.
    figure.savefig(path, metadata={"Software": None}, bbox_inches="tight")


def _words(found: dict[str, Any]) -> str:
    true = found["truth"]
    return "\n".join(
        (
            f"mass {found['mass']['value']:.3f} ± {found['mass']['error']:.3f} GeV",
            f"resolution {found['resolution']['value']:.2f} ± {found['resolution']['error']:.2f} GeV",
            f"signal {found['signal']['value']:.0f} ± {found['signal']['error']:.0f}",
            rf"$\chi^2$ / d.o.f.  {found['chi2']:.1f} / {found['degrees_of_freedom']}",
            "",
            "generated:",
            f"mass {true['mass']['true']:.3f} GeV",
            f"resolution {true['resolution']['true']:.2f} GeV",
            f"signal {true['signal']['true']}",
        )
    )


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("histogram", type=Path)
    parser.add_argument("--truth", type=Path, required=True, help="what was generated, as JSON")
    parser.add_argument("--out-fit", type=Path, required=True)
    parser.add_argument("--out-plot", type=Path, required=True)
    args = parser.parse_args()
    histogram, truth = (json.loads(path.read_text()) for path in (args.histogram, args.truth))
    spectrum = Spectrum(np.array(histogram["edges"]), np.array(histogram["opposite_charge"]), truth["width"])
    found = fit(spectrum)
    signal = int(np.array(histogram["true_signal"])[spectrum.inside].sum())
    found["truth"] = compare(found, truth, signal)
    args.out_fit.write_text(json.dumps(found, indent=2) + "\n")
    # matplotlib keeps a cache of fonts; a container has no home for it, and a workflow no use for it.
    with tempfile.TemporaryDirectory() as fonts:
        os.environ.update(MPLCONFIGDIR=fonts, MPLBACKEND="agg")
        draw(args.out_plot, histogram, spectrum, found)


if __name__ == "__main__":
    main()
