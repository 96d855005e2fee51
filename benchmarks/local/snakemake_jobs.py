"""Hundreds of short Snakemake jobs, with and without containers."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from benchmarks.local import measure
from benchmarks.local.bench import SMALL, Bench
from benchmarks.local.table import Row

_JOBS, _FEW = 300, 20
_SNAKEFILE = """\
rule all:
    input: expand("out/{{n}}", n=range(int(config["jobs"])))

rule job:
    output: "out/{{n}}"
    {container}
    shell: "{prefix}echo {{wildcards.n}} > {{output}}{suffix}"
"""
_GENERIC = ("--executor", "cluster-generic", "--cluster-generic-submit-cmd", "sh", "--jobs", "2")
_FAST = ("--max-jobs-per-timespan", "1000/1s", "--nolock", "--quiet", "all")


def rows(bench: Bench) -> list[Row]:
    """Measure the whole command for 300 jobs; what is too slow for that is measured on few, and scaled."""
    bench.root(SMALL)
    image = bench.name(SMALL)
    udocker = f"{bench.udocker} -q run --rm --nobanner --volume=$PWD:$PWD --workdir=$PWD {image} /bin/sh -c '"
    ours = ("--executor", "dodas", "--jobs", "100")
    contained = _measure(bench, "ours", _JOBS, ours, container=f'container: "{image}"')
    peer = _scaled(
        _measure(bench, "peer", _FEW, ("--cores", "2"), prefix=udocker, suffix="'"),
        _measure(bench, "peer", 1, ("--cores", "2"), prefix=udocker, suffix="'"),
    )
    plain = _measure(bench, "plain", _JOBS, ours)
    local = _measure(bench, "local", _JOBS, ("--cores", "2"))
    generic = (*_GENERIC, "--seconds-between-status-checks", "1")
    cluster = _scaled(_measure(bench, "generic", _FEW, generic), _measure(bench, "generic", 1, generic))
    scaled = f"{_FEW} jobs, scaled"
    one, two = f"{_JOBS} Snakemake jobs, a container each", f"{_JOBS} Snakemake jobs without container"
    return [
        Row(one, "--executor dodas", contained),
        Row(one, "udocker run --rm in each job", peer, versus=contained, note=scaled),
        Row(two, "--executor dodas", plain),
        Row(two, "built-in local executor, --cores 2", local, versus=plain),
        Row(two, "cluster-generic, --jobs 2", cluster, versus=plain, note=scaled),
    ]


def _measure(
    bench: Bench,
    name: str,
    jobs: int,
    options: tuple[str, ...],
    *,
    container: str = "",
    prefix: str = "",
    suffix: str = "",
) -> measure.Cost:
    folder = bench.home / f"snakemake-{name}-{jobs}"
    shutil.rmtree(folder, ignore_errors=True)
    Path(folder).mkdir()
    text = _SNAKEFILE.format(container=container, prefix=prefix.replace("{", "{{"), suffix=suffix)
    (folder / "Snakefile").write_text(text)
    words = [sys.executable, "-m", "snakemake", *options, *_FAST, "--config", f"jobs={jobs}"]
    cost = measure.command(words, cwd=str(folder))
    if len(list((folder / "out").iterdir())) != jobs:
        sys.exit(f"{name}: not all of {jobs} jobs were run")
    return cost


def _scaled(few: measure.Cost, one: measure.Cost) -> measure.Cost:
    """Return what 300 jobs would take, from what few and one took."""

    def scale(of_few: float, of_one: float) -> float:
        return of_one + (of_few - of_one) / (_FEW - 1) * (_JOBS - 1)

    return measure.Cost(
        wall_least=scale(few.wall_least, one.wall_least),
        wall=scale(few.wall, one.wall),
        cpu=scale(few.cpu, one.cpu),
    )
