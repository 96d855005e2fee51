"""Jobs that do next to nothing, on the host: what an executor itself takes for each."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from importlib.util import find_spec

from benchmarks.local.bench import Bench
from benchmarks.local.table import Row
from benchmarks.snakemake.runs import SPAN, Runner, Taken, measure

_SNAKEFILE = """\
rule all:
    input: expand("out/{i}", i=range(int(config["jobs"])))

rule job:
    output: "out/{i}"
    shell: "echo {wildcards.i} > {output}"
"""
_OURS = Runner(how="--executor dodas, --jobs 100", options=("--executor", "dodas", "--jobs", "100"))
_BUILT_IN = Runner(how="built-in local executor, --cores 2", options=("--cores", "2"))
# It takes a second Snakemake for each job, and asks for their state every ten seconds if it is not told.
_GENERIC = Runner(
    how="cluster-generic, sh, --jobs 2",
    options=(
        *("--executor", "cluster-generic", "--cluster-generic-submit-cmd", "sh"),
        *("--jobs", "2", "--seconds-between-status-checks", "1"),
    ),
)
_ROUNDS = {30: 5, 300: 3, 3_000: 1}
_FEW = 30  # more take cluster-generic very long


def rows(bench: Bench) -> Iterable[Row]:
    """Measure 30, 300 and 3,000 jobs, those of cluster-generic once."""
    for jobs, rounds in _ROUNDS.items():
        ours, built_in = measure(bench.home, _SNAKEFILE, jobs, [_OURS, _BUILT_IN], rounds=rounds)
        what = f"{jobs} trivial jobs, {' '.join(SPAN)}"
        yield Row(what, _OURS.how, ours.cost, note=f"{ours.memory_noted}; {_asked(ours, built_in)}")
        yield Row(what, _BUILT_IN.how, built_in.cost, versus=ours.cost, note=built_in.memory_noted)
        if jobs == _FEW and _has_generic():
            [generic] = measure(bench.home, _SNAKEFILE, jobs, [_GENERIC])
            yield Row(what, _GENERIC.how, generic.cost, versus=ours.cost, note=generic.memory_noted)


def _asked(ours: Taken, built_in: Taken) -> str:
    """Say how dodas compares with what Snakemake has, in figures that should be small."""
    wall = ours.cost.wall / built_in.cost.wall
    cpu = ours.cost.cpu / built_in.cost.cpu
    memory = ours.memory / built_in.memory
    return f"of the built-in's {wall:.2f} times the wall, {cpu:.2f} the CPU, {memory:.2f} the memory"


def _has_generic() -> bool:
    there = find_spec("snakemake_executor_plugin_cluster_generic") is not None
    if not there:
        print("  without cluster-generic, which is not installed", file=sys.stderr)
    return there
