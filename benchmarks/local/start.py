"""One container step on a prepared image."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import benchmarks
import dodas
from benchmarks.local import bare_proot, measure
from benchmarks.local.bench import LARGE, SMALL, Bench
from benchmarks.local.table import Row
from dodas.containers.engines import proot
from dodas.containers.launch import Launch
from dodas.worker.client import Ended, Worker

_STEPS, _ROUNDS = 100, 9


def rows(bench: Bench) -> list[Row]:
    """Measure; every figure is for one start of ``/bin/true``."""
    found = []
    for key in (SMALL, LARGE):
        root = bench.root(key)
        os.sync()  # what unpacking left to be written would be paid for here
        label = f"one step, image of {bench.megabytes(key)} MB"
        os.chdir("/")  # PRoot complains if the image lacks our directory
        ours, plain, proots, traced, same, exact = _each(
            partial(_worker, "namespace", root, bench.home),
            partial(_bare, root, bench.home),
            partial(_worker, "proot", root, bench.home),
            partial(bare_proot.alone, root),
            partial(bare_proot.as_a_step, root),
            partial(bare_proot.as_a_step, root, exact=True),
        )
        container = os.path.basename(os.path.dirname(root))
        again = measure.command([bench.udocker, "run", container, "/bin/true"], repeat=5)
        peer = measure.command([bench.udocker, "run", "--rm", bench.name(key), "/bin/true"], repeat=3)
        found += [
            Row(label, "dodas, namespace engine", ours),
            Row(label, "the same system calls, bare", plain, versus=ours),
            Row(label, "dodas, proot engine", proots),
            Row(label, "the same binds in PRoot, bare", same, versus=proots),
            Row(label, "and with an exact exit status, bare", exact, versus=proots),
            Row(label, "PRoot with a root alone", traced, versus=proots),
            Row(label, "udocker run CONTAINER", again, versus=ours),
            Row(label, "udocker run --rm IMAGE", peer, versus=ours),
        ]
    return found


def _bare(root: str, home: Path, count: int) -> None:
    """Start so many by a small process, as the fork server is."""
    roots = (str(Path(dodas.__file__).parents[1]), str(Path(benchmarks.__file__).parents[1]))
    code = f"import sys; sys.path[:0] = {roots}; from benchmarks.local import bare; bare.main()"
    words = [sys.executable, "-I", "-S", "-c", code, root, str(home), str(count)]
    subprocess.run(words, check=True)


def _worker(engine: str, root: str, home: Path, count: int) -> None:
    """Start so many in a running fork server."""
    program = proot.find() if engine == "proot" else ""
    with Worker(str(home)) as worker:
        for number in range(count):
            launch = Launch(engine=engine, program=program, root=root, scratch="", argv=("/bin/true",))
            worker.start(str(number), launch)
            ended = False
            while not ended:
                for news in worker.told(None):
                    if isinstance(news, Ended):
                        ended = True
                        if news.outcome.exit_code != 0:
                            sys.exit(f"{engine}: {news.outcome}")


def _each(*works: Callable[[int], None]) -> list[measure.Cost]:
    """Return the cost of one of many starts in each way, without that of starting to start."""
    counts = [partial(work, count) for work in works for count in (1, _STEPS + 1)]
    costs = measure.in_turn(counts, _ROUNDS)
    return [
        measure.Cost(
            wall_least=full.wall_least - nothing.wall_least,
            wall=full.wall - nothing.wall,
            cpu=full.cpu - nothing.cpu,
        ).per(_STEPS)
        for nothing, full in zip(costs[::2], costs[1::2], strict=True)
    ]
