"""Jobs that do next to nothing, each in a container.

The peer is Snakemake's built-in executor with ``--sdm apptainer``, where ``apptainer`` is a shell script that
runs udocker as snakemake-software-deployment-plugin-container 0.7.5 does by default.  That plugin is for a
Snakemake to come; its command line for each job is

    UDOCKER_DIR=<dir> udocker --quiet run --rm --nobanner --env TINI_SUBREAPER=1
        -w <cwd> -v <tmp>:<tmp> -v <cwd>:<cwd> IMAGE bash -c <command>

The image is in udocker's store already, for both: neither pulls anything.  The script costs a start of
``sh`` for each job, some milliseconds, and nothing else.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from benchmarks.local.bench import SMALL, Bench
from benchmarks.local.measure import Cost
from benchmarks.local.table import Row
from benchmarks.snakemake.runs import Runner, Taken, measure

_SNAKEFILE = """\
rule all:
    input: expand("out/{{i}}", i=range(int(config["jobs"])))

rule job:
    output: "out/{{i}}"
    container: "docker://{image}"
    shell: "echo {{wildcards.i}} > {{output}}"
"""
_APPTAINER = """\
#!/bin/sh
# pull --name FILE docker://IMAGE; exec OPTIONS FILE bash -c COMMAND
case "$1" in
    --version) echo "apptainer version 1.3.0"; exit;;
    pull) echo "${4#docker://}" > "$3"; exit;;
esac
while [ "${1%.simg}" = "$1" ]; do shift; done
read -r image < "$1"
shift
exec udocker --quiet run --rm --nobanner --env TINI_SUBREAPER=1 \\
    -w "$PWD" -v "$TMPDIR:$TMPDIR" -v "$PWD:$PWD" "$image" "$@"
"""
_JOBS = 30
_ROUNDS = 3


def rows(bench: Bench) -> Iterable[Row]:
    """Measure 30 jobs and one, and what each of the other 29 takes."""
    bench.root(SMALL)
    snakefile = _SNAKEFILE.format(image=bench.name(SMALL))
    ours = Runner(how="--executor dodas, --jobs 100", options=("--executor", "dodas", "--jobs", "100"))
    peer = _peer(bench)

    def both(jobs: int) -> tuple[Taken, Taken]:
        [one] = measure(bench.home, snakefile, jobs, [ours], rounds=_ROUNDS)
        [other] = measure(bench.home, snakefile, jobs, [peer])
        return one, other

    dodas, udocker = both(_JOBS)
    first, first_udocker = both(1)
    size = bench.megabytes(SMALL)
    what = f"{_JOBS} jobs, each in a container of an image of {size} MB"
    yield Row(what, ours.how, dodas.cost, note=dodas.memory_noted)
    yield Row(what, peer.how, udocker.cost, versus=dodas.cost, note=udocker.memory_noted)
    what = "one more such job"
    more, more_udocker = _more(dodas.cost, first.cost), _more(udocker.cost, first_udocker.cost)
    note = f"{_JOBS} jobs less one job, for each of {_JOBS - 1}"
    yield Row(what, ours.how, more, note=note)
    yield Row(what, peer.how, more_udocker, versus=more, note=note)


def _peer(bench: Bench) -> Runner:
    programs = bench.home / "apptainer-programs"
    programs.mkdir()
    apptainer = Path(programs, "apptainer")
    apptainer.write_text(_APPTAINER)
    apptainer.chmod(0o755)
    return Runner(
        how="--sdm apptainer, --cores 2, with the udocker run --rm of the container plugin",
        options=("--cores", "2", "--sdm", "apptainer"),
        environment={
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "TMPDIR": tempfile.gettempdir(),
        },
    )


def _more(many: Cost, one: Cost) -> Cost:
    """Return what each job more takes; where that is lost in the noise, a tenth of a millisecond."""

    def each(of_many: float, of_one: float) -> float:
        return max(1e-4, (of_many - of_one) / (_JOBS - 1))

    return Cost(
        wall_least=each(many.wall_least, one.wall_least),
        wall=each(many.wall, one.wall),
        cpu=each(many.cpu, one.cpu),
    )
