"""Thousands of steps in the queue: what dodas needs while they wait."""

from __future__ import annotations

import json
import subprocess
import sys

from benchmarks.htcondor.pool import Pool
from benchmarks.local.bench import SMALL, Bench
from benchmarks.local.measure import Cost
from benchmarks.local.table import Row

_SIZES = (1_000, 10_000)
# A process of its own: the peak of its memory is its own.
_PROGRAM = """\
import json, resource, sys, time
from dodas.backend import Finished, Queued
from dodas.backends.htcondor import HtcondorBackend
from dodas.step import MIB, Resources, Step

pool, home, image, count = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
began = time.perf_counter()
backend = HtcondorBackend(
    pool=pool, run=f"{home}/queue", logs=f"{home}/logs", bundle=None, shared=True,
    defaults={"requirements": "false"},
)
wanted = Resources(cores=1, memory=100 * MIB, disk=MIB)
for first in range(0, count, 500):
    backend.submit([
        Step(id=f"step-{n}", name="step", argv=("echo", str(n)), image=image, resources=wanted)
        for n in range(first, first + 500)
    ])
import htcondor2
schedd = htcondor2.Schedd()
while len(schedd.query(projection=["ProcId"])) < count:
    time.sleep(0.5)
queued = time.perf_counter() - began
backend.cancel([f"step-{n}" for n in range(count)])
left = count
while left:
    left -= sum(isinstance(event, Finished) for event in backend.events(60))
backend.close()
usage = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps({
    "wall": time.perf_counter() - began, "queued": queued,
    "cpu": usage.ru_utime + usage.ru_stime, "rss": usage.ru_maxrss / 1024,
}))
"""


def rows(bench: Bench, pool: Pool) -> list[Row]:
    """Measure a process that queues steps no machine may run, sees them queued, and takes them back."""
    bench.root(SMALL)
    found: list[Row] = []
    for count in _SIZES:
        words = [sys.executable, "-c", _PROGRAM, pool.name, str(bench.home), bench.name(SMALL), str(count)]
        done = subprocess.run(words, check=True, capture_output=True, text=True)
        seen = json.loads(done.stdout)
        cost = Cost(wall_least=seen["queued"], wall=seen["wall"], cpu=seen["cpu"])
        note = f"{seen['rss']:.0f} MiB at most; wall, least: until all are queued; CPU of dodas alone"
        first = found[0].cost if found else None
        found.append(Row("steps queued and taken back", f"{count} steps", cost, versus=first, note=note))
    return found
