"""Hundreds of trivial steps: through dodas, one by one and in bundles, and as a plain submit file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Literal

from benchmarks.htcondor.pool import Pool
from benchmarks.local.bench import SMALL, Bench
from benchmarks.local.table import Row
from dodas.backend import Finished
from dodas.backends.htcondor import HtcondorBackend
from dodas.step import MIB, Resources, Step

_STEPS = 500
_SUBMIT = """\
executable = /bin/true
transfer_executable = false
should_transfer_files = {transfer}
transfer_output_files = ""
request_cpus = 1
request_memory = 100
request_disk = 1024
log = {log}
"""


def rows(bench: Bench, pool: Pool) -> list[Row]:
    """Measure plain jobs of the same command, without container, and dodas in three ways."""
    bench.root(SMALL)
    peer = pool.cost(lambda: _plain(bench, pool))
    single = pool.cost(lambda: _steps(bench, pool, bundle=None))
    bundled = pool.cost(lambda: _steps(bench, pool, bundle="auto"))
    contained = pool.cost(lambda: _steps(bench, pool, bundle="auto", image=bench.name(SMALL)))
    found = []
    for how, cost in (("each a job", single), ("bundled", bundled), ("bundled, in containers", contained)):
        what = f"{_STEPS} trivial steps, {how}"
        found += [Row(what, "dodas", cost), Row(what, "a plain submit file", peer, versus=cost)]
    return found


def _plain(bench: Bench, pool: Pool) -> None:
    import htcondor2  # noqa: PLC0415 - after the pool's configuration is in place

    from dodas.pool.access import configure  # noqa: PLC0415

    configure(pool.name)
    log = bench.home / "plain.log"
    log.unlink(missing_ok=True)
    submit = htcondor2.Submit(_SUBMIT.format(log=log, transfer="IF_NEEDED"))
    htcondor2.Schedd().submit(submit, count=_STEPS)
    ended = 0
    for event in htcondor2.JobEventLog(str(log)).events(stop_after=300):
        ended += event.type == htcondor2.JobEventType.JOB_TERMINATED
        if ended == _STEPS:
            return
    sys.exit(f"of {_STEPS} plain jobs {ended} ended")


def _steps(bench: Bench, pool: Pool, *, bundle: Literal["auto"] | None, image: str | None = None) -> None:
    run = bench.home / "run"
    backend = HtcondorBackend(
        pool=pool.name, run=str(run), logs=str(Path(bench.home, "logs")), bundle=bundle, shared=True
    )
    wanted = Resources(cores=1, memory=100 * MIB, disk=MIB)
    try:
        backend.submit(
            [
                Step(id=f"step-{n}", name="step", argv=("/bin/true",), image=image, resources=wanted)
                for n in range(_STEPS)
            ]
        )
        left = _STEPS
        while left:
            for event in backend.events(300):
                if isinstance(event, Finished):
                    left -= 1
                    if not event.result.ok:
                        sys.exit(f"{event.step}: {event.result.reason}")
    finally:
        backend.close()
