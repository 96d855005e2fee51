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

_STEPS, _ROUNDS = 100, 5


def rows(bench: Bench) -> list[Row]:
    """Measure; every figure is for one start of ``/bin/true``."""
    found = []
    for key in (SMALL, LARGE):
        root = bench.root(key)
        os.sync()  # what unpacking left to be written would be paid for here
        label = f"one step, image of {bench.megabytes(key)} MB"
        ours = _worker("namespace", root, bench.home)
        plain = _bare(root, bench.home)
        proots = _worker("proot", root, bench.home)
        os.chdir("/")  # PRoot complains if the image lacks our directory
        traced = measure.call(partial(bare_proot.alone, root, _STEPS), _ROUNDS).per(_STEPS)
        same = measure.call(partial(bare_proot.as_a_step, root, _STEPS), _ROUNDS).per(_STEPS)
        container = os.path.basename(os.path.dirname(root))
        again = measure.command([bench.udocker, "run", container, "/bin/true"], repeat=5)
        peer = measure.command([bench.udocker, "run", "--rm", bench.name(key), "/bin/true"], repeat=3)
        found += [
            Row(label, "dodas, namespace engine", ours),
            Row(label, "the same system calls, bare", plain, versus=ours),
            Row(label, "dodas, proot engine", proots),
            Row(label, "the same binds in PRoot, bare", same, versus=proots),
            Row(label, "PRoot with a root alone", traced, versus=proots),
            Row(label, "udocker run CONTAINER", again, versus=ours),
            Row(label, "udocker run --rm IMAGE", peer, versus=ours),
        ]
    return found


def _bare(root: str, home: Path) -> measure.Cost:
    """Return the cost of a start by a small process, as the fork server is; its own start is not counted."""

    def work(count: int) -> None:
        roots = (str(Path(dodas.__file__).parents[1]), str(Path(benchmarks.__file__).parents[1]))
        code = f"import sys; sys.path[:0] = {roots}; from benchmarks.local import bare; bare.main()"
        words = [sys.executable, "-I", "-S", "-c", code, root, str(home), str(count)]
        subprocess.run(words, check=True)

    return _difference(work)


def _worker(engine: str, root: str, home: Path) -> measure.Cost:
    """Return the cost of a step in a running fork server, whose own start is not counted."""
    program = proot.find() if engine == "proot" else ""

    def work(steps: int) -> None:
        with Worker(str(home)) as worker:
            for number in range(steps):
                launch = Launch(engine=engine, program=program, root=root, scratch="", argv=("/bin/true",))
                worker.start(str(number), launch)
                ended = False
                while not ended:
                    for news in worker.told(None):
                        if isinstance(news, Ended):
                            ended = True
                            if news.outcome.exit_code != 0:
                                sys.exit(f"{engine}: {news.outcome}")

    return _difference(work)


def _difference(work: Callable[[int], None]) -> measure.Cost:
    """Return the cost of one of many starts, without that of starting to start."""
    nothing = measure.call(lambda: work(1), _ROUNDS)
    full = measure.call(lambda: work(_STEPS + 1), _ROUNDS)
    return measure.Cost(
        wall_least=full.wall_least - nothing.wall_least,
        wall=full.wall - nothing.wall,
        cpu=full.cpu - nothing.cpu,
    ).per(_STEPS)
