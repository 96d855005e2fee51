"""A pool whose workers are jobs of a real Slurm cluster."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from condor_pool import Pools, until, with_image
from dodas.errors import DodasError
from dodas.pool.description.reading import parse
from dodas.pool.providers import slurm as provider
from dodas.pool.providers.base import NotAuthorised, ProviderUnavailable, QuotaExceeded, Refused, State
from dodas.pool.providers.commands import refusal
from dodas.pool.rendering.slurm import render
from servers.slurm import Slurm

_FILE = """\
dodas: 1
name: campus
providers:
  cluster: {kind: slurm, partition: main, directory: shared}
sites:
  here:
    attributes: {Campus: '"yes"'}
    environment: {SITE_WORDS: "it's \\"here\\""}
    prechecks:
      - {name: tools, command: "test -x /bin/sh"}
flavours:
  small:
    provider: cluster
    site: here
    cores: 2
    memory: 1GiB
    maximum: 3
    lifetime: 10m
    idle: 10s
    shared_disk: true
elasticity: {interval: 1s, boot: 60s, young: 5s}
"""
# Each step leaves a line when it has ended well; and where it was, and what its site gave it.
_STEPS = """
import sys
from pathlib import Path
from dodas.backend import Finished
from dodas.backends.htcondor import HtcondorBackend
from dodas.step import MIB, Resources, Step
folder = Path(sys.argv[1])
backend = HtcondorBackend(pool="campus", run=str(folder / "run"), logs=str(folder / "logs"))
command = 'sleep 1; echo "$1 $SITE_WORDS" >> "$0/done-$1"'
wanted = Resources(cores=1, memory=100 * MIB, disk=MIB)
backend.submit([
    Step(id=f"s{n}", name="step", argv=("/bin/sh", "-c", command, str(folder), str(n)), resources=wanted)
    for n in range(60)
])
left = 60
while left:
    for event in backend.events(200):
        if isinstance(event, Finished):
            assert event.result.ok, event.result
            left -= 1
            print(left, flush=True)
backend.close()
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Slurm]:
    folder = Path(tempfile.mkdtemp(prefix="dodas-slurm-", dir="/tmp"))  # short, for sockets
    slurm = Slurm(folder / "c")
    try:
        slurm.start()
        yield slurm
    finally:
        slurm.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def campus(cluster: Slurm, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Pools, Path]]:
    pytest.importorskip("htcondor2", reason="the extra dodas[htcondor] is not installed")
    with_image()
    folder = tmp_path_factory.mktemp("campus")
    file = folder / "pool.yaml"
    file.write_text(_FILE)
    path = f"{cluster.bin}:{os.environ['PATH']}"
    pools = Pools(state=folder / "state", environ={"PATH": path})
    done = pools("up", str(file))
    assert done.returncode == 0, done.stderr
    yield pools, file
    done = pools("down", "campus", "--force")
    assert done.returncode == 0, done.stderr
    assert "campus-small-" not in cluster("squeue", "-h", "-o", "%j %T", "--states=RUNNING,PENDING")


def workers(pools: Pools) -> list[dict[str, object]]:
    return [one for one in pools.status("campus")["workers"] if one["phase"] != "over"]


def pilots() -> list[psutil.Process]:
    found = [(one, one.info["cmdline"] or []) for one in psutil.process_iter(["cmdline"])]
    return [one for one, words in found if words[-2:-1] == ["pilot"] and "campus-small-" in words[-1]]


@pytest.mark.slow
def test_sixty_steps_whatever_dies(
    campus: tuple[Pools, Path], cluster: Slurm, tmp_path_factory: pytest.TempPathFactory
) -> None:
    pools, file = campus
    folder = tmp_path_factory.mktemp("steps")
    assert workers(pools) == []
    with subprocess.Popen(
        [sys.executable, "-c", _STEPS, str(folder)],
        env=pools.environment(),
        stdout=subprocess.PIPE,
        text=True,
    ) as run:
        assert run.stdout is not None
        run.stdout.readline()  # one has ended
        for _ in range(2):
            victims = pilots()
            random.choice(victims).kill()
        os.kill(pools.status("campus")["agent"], signal.SIGKILL)
        cluster.slurmctld.stop()
        cluster.slurmctld.start()
        assert pools("up", str(file)).returncode == 0
        assert run.wait(240) == 0
    lines = {n: (folder / f"done-{n}").read_text() for n in range(60)}
    assert lines == {n: f'{n} it\'s "here"\n' for n in range(60)}
    until(lambda: workers(pools) == [])
    assert pilots() == []
    assert "RUNNING" not in cluster("squeue", "-h", "-o", "%T", "--states=all")


@pytest.mark.slow
def test_what_a_worker_wrote(campus: tuple[Pools, Path]) -> None:
    pools, _ = campus
    name = pools.status("campus")["workers"][0]["name"]
    done = pools("logs", "campus", "--worker", name)
    assert "dodas worker: running" in done.stdout
    assert "StartLog" in done.stdout


def test_the_script_of_a_worker() -> None:
    pool = parse(_FILE, "pool.yaml")
    (script,) = render(pool, pool.flavour("small"))
    assert script.text.startswith("#!/bin/sh\n#SBATCH --job-name=campus-small-00000000\n")
    for option in ("--cpus-per-task=2", "--mem=1024M", "--time=12", "--partition=main"):
        assert f"#SBATCH {option}\n" in script.text


def test_what_squeue_says() -> None:
    said = "12|PENDING||campus-small-00000001|Resources\n13|RUNNING|n1|a|b|None\n14|NODE_FAIL|n2|x|None\nx\n"
    pending, odd, failed = provider.parse(said)
    assert (pending.state, pending.reason) == (State.PENDING, "pending: Resources")
    assert (odd.worker, odd.node) == ("a", "n1")
    assert failed.state is State.FAILED


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("sbatch: error: Unable to contact slurm controller (connect failure)", ProviderUnavailable),
        ("sbatch: error: QOSMaxSubmitJobPerUserLimit", QuotaExceeded),
        ("sbatch: error: Batch job submission failed: Invalid account or account/partition", NotAuthorised),
        ("sbatch: error: invalid partition specified: nope", Refused),
        ("", Refused),
    ],
)
def test_what_a_refusal_means(said: str, kind: type[DodasError]) -> None:
    found = refusal("sbatch", said)
    assert type(found) is kind
    assert "sbatch failed" in str(found)
