"""Hundreds of Snakemake jobs on the pool, through dodas and through what else submits to HTCondor."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.htcondor.pool import Pool, status
from benchmarks.local.bench import Bench
from benchmarks.local.measure import Cost
from benchmarks.local.table import Row

_JOBS, _FEW = 300, 20
_SNAKEFILE = """\
rule all:
    input: expand("out/{n}", n=range(int(config["jobs"])))

rule job:
    output: "out/{n}"
    resources: mem_mb=100, disk_mb=10
    shell: "echo {wildcards.n} > {output}"
"""
_PLUGIN = "snakemake-executor-plugin-htcondor"
_FAST = ("--max-jobs-per-timespan", "1000/1s", "--nolock", "--quiet", "all", "--jobs", "300")
# An environment of its own, made by `make peers`.
_PEERS = Path(f"{sys.prefix}-peers", "bin", "python")
# What cluster-generic hands over is a script of its own; HTCondor's condor_submit is not on this host.
_SUBMIT = """\
#!{python}
import os, sys
os.environ["CONDOR_CONFIG"] = {config!r}
import htcondor2
job = htcondor2.Submit({{
    "executable": sys.argv[-1], "initialdir": os.getcwd(), "getenv": "true", "transfer_executable": "false",
    "should_transfer_files": "NO", "request_cpus": "1", "request_memory": "100", "request_disk": "1024",
}})
print(htcondor2.Schedd().submit(job, count=1).cluster())
"""


def rows(bench: Bench, pool: Pool) -> list[Row]:
    """Measure the whole command, HTCondor's and the jobs' share included; slow peers on few jobs, scaled."""
    config = str(status(pool.name)["condor_config"])
    ours = ("--executor", "dodas", "--dodas-backend", "htcondor", "--dodas-pool", pool.name)
    dodas = _measure(bench, pool, "dodas", _JOBS, ours)
    what = f"{_JOBS} Snakemake jobs on the pool"
    note = f"{_FEW} jobs, scaled"
    found = [Row(what, "--executor dodas", dodas)]
    submit = bench.home / "submit"
    submit.write_text(_SUBMIT.format(python=sys.executable, config=config))
    submit.chmod(0o755)
    generic = ("--executor", "cluster-generic", "--cluster-generic-submit-cmd", str(submit))
    peers: dict[str, tuple[str, ...]] = {"cluster-generic": generic}
    pythons = {}
    if _PEERS.exists():
        pythons[_PLUGIN] = str(_PEERS)
        logs = str(bench.home / "condor-logs")
        # Its jobs have no PATH otherwise.
        path = ("--set-resources", "job:getenv='True'")
        peers[_PLUGIN] = ("--executor", "htcondor", "--htcondor-jobdir", logs, *path)
    for name, options in peers.items():
        try:
            python = pythons.get(name, sys.executable)
            few = _measure(bench, pool, name, _FEW, options, python, CONDOR_CONFIG=config)
            one = _measure(bench, pool, name, 1, options, python, CONDOR_CONFIG=config)
        except subprocess.CalledProcessError as error:
            print(f"{name} does not run here: {error.stderr[-2000:]}", file=sys.stderr)
            continue
        found.append(Row(what, name, _scaled(few, one), versus=dodas, note=note))
    return found


def _measure(  # noqa: PLR0917
    bench: Bench,
    pool: Pool,
    name: str,
    jobs: int,
    options: tuple[str, ...],
    python: str = sys.executable,
    **env: str,
) -> Cost:
    folder = bench.home / f"snakemake-{name}-{jobs}"
    shutil.rmtree(folder, ignore_errors=True)
    Path(folder).mkdir()
    (folder / "Snakefile").write_text(_SNAKEFILE)
    words = [python, "-m", "snakemake", *options, *_FAST, "--config", f"jobs={jobs}"]

    def run() -> None:
        subprocess.run(
            words, cwd=folder, env={**os.environ, **env}, check=True, capture_output=True, text=True
        )

    cost = pool.cost(run)
    if len(list((folder / "out").iterdir())) != jobs:
        sys.exit(f"{name}: not all of {jobs} jobs were run")
    return cost


def _scaled(few: Cost, one: Cost) -> Cost:
    """Return what 300 jobs would take, from what few and one took."""

    def scale(of_few: float, of_one: float) -> float:
        return of_one + max(0.0, of_few - of_one) / (_FEW - 1) * (_JOBS - 1)

    wall = scale(few.wall, one.wall)
    return Cost(wall_least=wall, wall=wall, cpu=scale(few.cpu, one.cpu))
