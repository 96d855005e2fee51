"""Run real pipelines twice, from CWL and from Snakemake, every step in a container; compare the files.

``python workflows/demo.py`` makes the input, builds the images out of Debian packages, and runs.  Nothing
is needed but this checkout with dodas installed, and a Debian mirror; ``--public-images`` takes images from
quay.io instead.  Everything lands in ``demo-output``.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from workflows.images import build
from workflows.physics.generate import generate as generate_physics
from workflows.sequencing.generate import generate as generate_sequencing

from dodas.errors import DodasError

ROOT = Path(__file__).resolve().parents[1]


class DemoError(Exception):
    """The demonstration cannot go on; the text says why."""


@dataclass(frozen=True, kw_only=True)
class Pipeline:
    """One of the workflows.

    Attributes:
        name: Its directory below ``workflows``, and its image recipe.
        generate: Makes its input in a directory.
        show: What a person looks at first among the published files.
        verdict: Turns the published files into one sentence on the science.
    """

    name: str
    generate: Callable[[Path], None]
    show: str
    verdict: Callable[[Path], str]


@dataclass(frozen=True, kw_only=True)
class Run:
    """What one front end made.

    Attributes:
        front_end: ``CWL`` or ``Snakemake``.
        seconds: Wall time.
        files: sha256 of each published file.
    """

    front_end: str
    seconds: float
    files: dict[str, str]


def _recall(published: Path) -> str:
    summary: dict[str, Any] = json.loads((published / "summary.json").read_text())
    return f"found {summary['correct']} of {summary['planted']} planted variants, {summary['recall']:.1%}"


def _mass(published: Path) -> str:
    fit: dict[str, Any] = json.loads((published / "fit.json").read_text())
    mass, true = fit["mass"], fit["truth"]["mass"]["true"]
    return f"mass of the Z boson {mass['value']:.3f} ± {mass['error']:.3f} GeV, generated {true:.3f}"


PIPELINES = (
    Pipeline(name="sequencing", generate=generate_sequencing, show="report.html", verdict=_recall),
    Pipeline(name="physics", generate=generate_physics, show="mass.png", verdict=_mass),
)


def commands(
    pipeline: Pipeline, *, jobs: int, public: bool, pool: str | None = None
) -> dict[str, tuple[str, ...]]:
    """Return the command of each front end, for the directory that holds ``data``."""
    home = ROOT / "workflows" / pipeline.name
    images = str(home / "public-images.yml")
    cwl = ["dodas", "cwl", "--outdir", "cwl"]
    snakemake = [
        "snakemake",
        "--executor",
        "dodas",
        "--jobs",
        str(jobs),
        "--quiet",
        "host",
        "reason",
        "rules",
    ]
    snakemake += ["--snakefile", str(home / "Snakefile"), "--config", "results=snakemake"]
    snakemake += ["--configfile", "data/config.yml"]
    if pool is not None:
        cwl += ["--backend", "htcondor", "--pool", pool]
        snakemake += ["--dodas-backend", "htcondor", "--dodas-pool", pool]
    if public:
        cwl += ["--overrides", images]
        snakemake += [images]
    cwl += [str(home / "main.cwl"), "data/job.yml"]
    return {"CWL": (sys.executable, "-m", *cwl), "Snakemake": (sys.executable, "-m", *snakemake)}


def run(front_end: str, command: Sequence[str], directory: Path) -> Run:
    """Run one front end and return what it published.

    Raises:
        DemoError: It failed.
    """
    published = directory / front_end.lower()
    shutil.rmtree(published, ignore_errors=True)
    say(f"\n$ cd {shlex.quote(str(directory))}\n$ {shlex.join(command)}")
    start = time.monotonic()
    # Standard output has the CWL output object; what happens is told on standard error.
    with (directory / f"{front_end.lower()}.out").open("w") as output:
        status = subprocess.run(command, cwd=directory, stdout=output, check=False).returncode
    if status != 0:
        raise DemoError(f"{front_end} ended with status {status}; see above, and `dodas doctor`")
    files = sorted(path for path in published.iterdir() if path.is_file())
    digests = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    return Run(front_end=front_end, seconds=time.monotonic() - start, files=digests)


def demonstrate(
    pipeline: Pipeline, directory: Path, *, jobs: int, public: bool, pool: str | None = None
) -> list[Run]:
    """Make the input and the image of a pipeline and run it from every front end that is installed."""
    say(f"\n== {pipeline.name}: input")
    pipeline.generate(directory / "data")
    if not public:
        say(f"== {pipeline.name}: image")
        build.load(pipeline.name)
    runs = []
    for front_end, command in commands(pipeline, jobs=jobs, public=public, pool=pool).items():
        if front_end == "Snakemake" and importlib.util.find_spec("snakemake") is None:
            say("Snakemake is not installed (it needs Python 3.11): only CWL is run")
            continue
        say(f"== {pipeline.name}: {front_end}")
        runs.append(run(front_end, command, directory))
    return runs


def different(runs: Sequence[Run]) -> list[str]:
    """Return the names of files that not all runs made, or not with the same bytes."""
    names = sorted({name for made in runs for name in made.files})
    return [name for name in names if len({made.files.get(name) for made in runs}) > 1]


def summary(results: dict[Pipeline, list[Run]], output: Path) -> str:
    """Return the table at the end, and where to look."""
    lines = ["", f"{'pipeline':12}{'files':>6}{'CWL':>10}{'Snakemake':>12}  same bytes"]
    for pipeline, runs in results.items():
        seconds = {made.front_end: f"{made.seconds:.1f} s" for made in runs}
        wrong = ", ".join(different(runs))
        same = "-" if len(runs) == 1 else f"NO: {wrong}" if wrong else "yes"
        times = f"{seconds['CWL']:>10}{seconds.get('Snakemake', '-'):>12}"
        lines.append(f"{pipeline.name:12}{len(runs[0].files):6}{times}  {same}")
    lines.append("")
    for pipeline in results:
        published = output / pipeline.name / "cwl"
        lines += [f"{pipeline.name}: {pipeline.verdict(published)}", f"  {published / pipeline.show}"]
    return "\n".join(lines)


def say(text: str) -> None:
    """Tell what happens now."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demonstration: 0 when all worked and the files are the same, 1 otherwise."""
    parser = argparse.ArgumentParser(description="Run real pipelines from CWL and from Snakemake.")
    parser.add_argument("--only", choices=[pipeline.name for pipeline in PIPELINES])
    parser.add_argument("--out", type=Path, default=ROOT / "demo-output", metavar="DIR")
    cores = len(os.sched_getaffinity(0))
    parser.add_argument(
        "--jobs", type=int, default=max(2, cores), help="Snakemake jobs at once (default: %(default)s)"
    )
    parser.add_argument("--public-images", action="store_true", help="from quay.io, instead of building them")
    parser.add_argument(
        "--pool", metavar="NAME", help="run the steps on this HTCondor pool, see `dodas pool`"
    )
    args = parser.parse_args(argv)
    chosen = [pipeline for pipeline in PIPELINES if args.only in (None, pipeline.name)]
    output = args.out.resolve()
    results = {}
    try:
        for pipeline in chosen:
            directory = output / pipeline.name
            directory.mkdir(parents=True, exist_ok=True)
            results[pipeline] = demonstrate(
                pipeline, directory, jobs=args.jobs, public=args.public_images, pool=args.pool
            )
    except (DemoError, DodasError, *build.FAULTS) as error:
        say(f"error: {error}")
        return 1
    print(summary(results, output))
    return 1 if any(different(runs) for runs in results.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
