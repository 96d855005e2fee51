"""A directory with very many files in it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator

from benchmarks.local.table import Row
from benchmarks.staging.rounds import DODAS, Client, measure
from benchmarks.staging.servers import Bench

_OURS = (sys.executable, "-m", "benchmarks.staging.with_dodas")


def rows(bench: Bench, count: int) -> Iterator[Row]:
    """Measure with ``count`` entries."""
    folder = bench.plain.root / "many"
    folder.mkdir()
    for number in range(count):
        (folder / f"file {number:06}").touch()
    url = bench.plain.url("many/")
    clients = [
        Client(how=DODAS, words=(*_OURS, "list", url)),
        # Does not look at what it gets: the time of the server.
        Client(
            how="curl", words=("curl", "-s", "-f", "-X", "PROPFIND", "-H", "Depth: 1", "-o", "/dev/null", url)
        ),
    ]
    yield from measure(
        f"a directory of {count} entries",
        clients,
        rounds=bench.rounds,
        environment=bench.environment,
        prepare=lambda: None,
    )
    shutil.rmtree(folder)
