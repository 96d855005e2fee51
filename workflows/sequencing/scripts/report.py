"""Compare the variants found with those planted; write ``report.html``, ``report.png``, ``summary.json``.

Runs in the image of this workflow and in public ones: Python 3.10, numpy, matplotlib 3.6.
"""

from __future__ import annotations

import argparse
import base64
import gzip
import html
import json
import os
import tempfile
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np

Variant = tuple[str, int, str, str]  # contig, position from 1, reference and alternative bases
Calls = dict[str, dict[Variant, int]]  # sample -> variant -> number of copies

WINDOW = 2000  # bases
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")


def read_calls(path: Path) -> Calls:
    """Return the variants that each sample of a VCF has."""
    calls: Calls = {}
    samples: list[str] = []
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as lines:
        for line in lines:
            fields = line.rstrip("\n").split("\t")
            if line.startswith("#CHROM"):
                samples = fields[9:]
                calls = {sample: {} for sample in samples}
            elif not line.startswith("#"):
                variant = (fields[0], int(fields[1]), fields[3], fields[4])
                for sample, column in zip(samples, fields[9:], strict=True):
                    copies = column.split(":")[0].count("1")
                    if copies:
                        calls[sample][variant] = copies
    return calls


def compare(truth: dict[Variant, int], found: dict[Variant, int]) -> dict[str, Any]:
    """Return how well the variants of one sample were found."""
    both = truth.keys() & found.keys()
    same = sum(truth[variant] == found[variant] for variant in both)
    result: dict[str, Any] = {
        "planted": len(truth),
        "found": len(found),
        "correct": len(both),
        "recall": round(len(both) / len(truth), 4) if truth else 1.0,
        "precision": round(len(both) / len(found), 4) if found else 1.0,
        "genotype_concordance": round(same / len(both), 4) if both else 1.0,
    }
    for kind, wanted in (("snv", False), ("indel", True)):
        planted = {variant for variant in truth if (len(variant[2]) != len(variant[3])) is wanted}
        result[f"{kind}_planted"] = len(planted)
        result[f"{kind}_correct"] = len(planted & both)
    return result


def read_counts(path: Path) -> dict[str, Any]:
    """Return reads, share mapped and share of duplicates from ``samtools flagstat -O json``."""
    passed = json.loads(path.read_text())["QC-passed reads"]
    return {
        "reads": passed["primary"],
        "mapped": round(passed["primary mapped"] / passed["primary"], 4),
        "duplicates": round(passed["primary duplicates"] / passed["primary"], 4),
    }


def read_depth(path: Path) -> dict[str, Any]:
    """Return the depth at every base of every contig from ``samtools depth -a``."""
    depth: dict[str, list[int]] = {}
    with path.open() as lines:
        for line in lines:
            contig, _, reads = line.split("\t")
            depth.setdefault(contig, []).append(int(reads))
    return {contig: np.array(reads) for contig, reads in depth.items()}


def by_sample(paths: list[Path]) -> dict[str, Path]:
    """Return files by the sample that they are named after, in order."""
    return {path.name.split(".")[0]: path for path in sorted(paths, key=lambda path: path.name)}


def draw(
    path: Path, summary: dict[str, Any], depths: dict[str, dict[str, Any]], missed: set[Variant]
) -> None:
    """Draw depth along the genome, its distribution, and what was found."""
    from matplotlib import pyplot as plt  # noqa: PLC0415 - reads the environment when imported

    figure = plt.figure(figsize=(11, 7), dpi=110)
    grid = figure.add_gridspec(2, 2, height_ratios=(1, 1.1), hspace=0.34, wspace=0.2)
    _draw_genome(figure.add_subplot(grid[0, :]), depths, missed)
    _draw_recall(figure.add_subplot(grid[1, 0]), summary["samples"])
    _draw_distribution(figure.add_subplot(grid[1, 1]), depths)
    for axes in figure.axes:
        axes.spines[["top", "right"]].set_visible(False)
    # Without the version of matplotlib in it, the picture depends on what it shows only.
    figure.savefig(path, metadata={"Software": None}, bbox_inches="tight")


def _draw_genome(axes: Any, depths: dict[str, dict[str, Any]], missed: set[Variant]) -> None:
    starts: dict[str, int] = {}
    length = 0
    for contig, reads in next(iter(depths.values())).items():
        starts[contig] = length
        length += len(reads)
    for (sample, contigs), colour in zip(depths.items(), cycle(COLOURS)):
        for contig, reads in contigs.items():
            windows = [part.mean() for part in np.array_split(reads, max(1, len(reads) // WINDOW))]
            middle = starts[contig] + (np.arange(len(windows)) + 0.5) * len(reads) / len(windows)
            label = sample if starts[contig] == 0 else None
            axes.plot(middle / 1e3, windows, color=colour, linewidth=1.1, label=label)
    axes.set_ylim(bottom=0)
    places = sorted((starts[contig] + position) / 1e3 for contig, position, _, _ in missed)
    label = f"missed variant ({len(places)})"
    axes.plot(places, [0.6] * len(places), "v", color="black", markersize=6, label=label, clip_on=False)
    top = axes.get_ylim()[1]
    for contig, start in starts.items():
        if start:
            axes.axvline(start / 1e3, color="0.75", linewidth=0.8)
        axes.text(start / 1e3 + 2, top, contig, va="top", color="0.35")
    axes.set(xlim=(0, length / 1e3), xlabel="position in the genome (kb)")
    axes.set(ylabel=f"mean depth in {WINDOW // 1000} kb windows")
    axes.set_title("Depth along the genome", loc="left")
    axes.legend(ncols=5, frameon=False, loc="upper right", bbox_to_anchor=(1, 1.16))


def _draw_recall(axes: Any, samples: dict[str, dict[str, Any]]) -> None:
    places = np.arange(len(samples))
    for offset, kind, colour in ((-0.2, "snv", "#0072b2"), (0.2, "indel", "#e69f00")):
        planted = np.array([sample[f"{kind}_planted"] for sample in samples.values()])
        correct = np.array([sample[f"{kind}_correct"] for sample in samples.values()])
        axes.bar(places + offset, planted, 0.36, color="white", edgecolor="0.6", linewidth=0.8)
        name = "SNVs" if kind == "snv" else "indels"
        axes.bar(places + offset, correct, 0.36, color=colour, label=f"{name} found")
        for place, whole, part in zip(places + offset, planted, correct, strict=True):
            share = f"{100 * part / whole:.1f} %" if whole else "-"
            axes.annotate(share, (place, whole), (0, 3), textcoords="offset points", ha="center", fontsize=8)
    axes.bar([0], [0], color="white", edgecolor="0.6", label="planted")
    axes.set_xticks(places, list(samples))
    axes.set(ylabel="variants", ylim=(0, 1.25 * max(sample["snv_planted"] for sample in samples.values())))
    axes.set_title("Planted variants that were found", loc="left")
    axes.legend(ncols=3, frameon=False, loc="upper left", fontsize=9)


def _draw_distribution(axes: Any, depths: dict[str, dict[str, Any]]) -> None:
    for (sample, contigs), colour in zip(depths.items(), cycle(COLOURS)):
        reads = np.concatenate(list(contigs.values()))
        shares = np.bincount(np.minimum(reads, 60), minlength=61) / len(reads)
        axes.step(np.arange(61), 100 * shares, where="mid", color=colour, label=sample)
    axes.set(xlabel="reads over a base", ylabel="share of the genome (%)", xlim=(0, 60), ylim=(0, None))
    axes.set_title("Distribution of depth", loc="left")
    axes.legend(frameon=False)


COLUMNS = (
    ("reads", "reads", "{:,}"),
    ("mapped", "mapped", "{:.1%}"),
    ("duplicates", "duplicates", "{:.1%}"),
    ("depth", "mean depth", "{:.1f}"),
    ("planted", "planted", "{}"),
    ("found", "found", "{}"),
    ("recall", "recall", "{:.1%}"),
    ("precision", "precision", "{:.1%}"),
    ("genotype_concordance", "genotypes right", "{:.1%}"),
)

PAGE = """<!DOCTYPE html>
<html lang="en"><meta charset="utf-8"><title>Variants of {count} samples</title>
<style>
 body {{ font: 16px/1.5 sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #222 }}
 table {{ border-collapse: collapse; width: 100%; margin: 1.2rem 0; font-variant-numeric: tabular-nums }}
 th, td {{ padding: .35rem .6rem; text-align: right; border-bottom: 1px solid #ddd }}
 th:first-child, td:first-child {{ text-align: left }}
 img {{ width: 100% }}
</style>
<h1>Variants of {count} samples</h1>
<p>{correct} of {planted} planted variants were found (recall {recall:.1%}), and {wrong} that were not planted
(precision {precision:.1%}).</p>
<table>
<tr><th>sample</th>{head}</tr>
{rows}
</table>
<img alt="Depth along the genome, found variants, distribution of depth" src="data:image/png;base64,{plot}">
</html>
"""


def page(summary: dict[str, Any], plot: Path) -> str:
    """Return the report, one file with the picture in it."""
    rows = []
    for name, sample in summary["samples"].items():
        cells = "".join(f"<td>{form.format(sample[field])}</td>" for field, _, form in COLUMNS)
        rows.append(f"<tr><td>{html.escape(name)}</td>{cells}</tr>")
    return PAGE.format(
        count=len(summary["samples"]),
        head="".join(f"<th>{title}</th>" for _, title, _ in COLUMNS),
        rows="\n".join(rows),
        plot=base64.b64encode(plot.read_bytes()).decode(),
        wrong=summary["found"] - summary["correct"],
        **{key: summary[key] for key in ("correct", "planted", "recall", "precision")},
    )


def total(samples: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return the numbers of all samples together."""
    every = samples.values()
    planted, found, correct = (sum(one[key] for one in every) for key in ("planted", "found", "correct"))
    recall, precision = correct / max(planted, 1), correct / max(found, 1)
    shares = {"recall": round(recall, 4), "precision": round(precision, 4)}
    return {"planted": planted, "found": found, "correct": correct, **shares}


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--truth", type=Path, required=True)
    parser.add_argument("--variants", type=Path, required=True)
    parser.add_argument("--counts", type=Path, nargs="+", required=True)
    parser.add_argument("--depths", type=Path, nargs="+", required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    truth, found = read_calls(args.truth), read_calls(args.variants)
    depths = {sample: read_depth(path) for sample, path in by_sample(args.depths).items()}
    samples: dict[str, dict[str, Any]] = {}
    missed: set[Variant] = set()
    for sample, path in by_sample(args.counts).items():
        mean = float(np.mean(np.concatenate(list(depths[sample].values()))))
        compared = compare(truth[sample], found[sample])
        samples[sample] = {**read_counts(path), "depth": round(mean, 2), **compared}
        missed |= truth[sample].keys() - found[sample].keys()
    summary = {**total(samples), "samples": samples}
    plot = args.out / "report.png"
    # matplotlib keeps a cache of fonts; a container has no home for it, and a workflow no use for it.
    with tempfile.TemporaryDirectory() as fonts:
        os.environ.update(MPLCONFIGDIR=fonts, MPLBACKEND="agg")
        draw(plot, summary, depths, missed)
    (args.out / "report.html").write_text(page(summary, plot))
    (args.out / "summary.json").write_text(json.dumps(summary, indent=2) + "\n")


if __name__ == "__main__":
    main()
