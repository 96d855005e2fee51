"""Clients in turn, round after round, so that whatever else the machine does meets them all."""

from __future__ import annotations

import os
import re
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from benchmarks.local.measure import Cost
from benchmarks.local.table import Row

DODAS = "dodas"


@dataclass(frozen=True, kw_only=True)
class Client:
    """Somebody who does the work.

    Attributes:
        how: What the table calls it.
        words: The command.
        check: Called after each run; fails if the work was not done.
        status: How it exits when it was.
        most: Rounds that it takes part in, for it takes very long.
    """

    how: str
    words: Sequence[str]
    check: Callable[[], None] = lambda: None
    status: int = 0
    most: int = sys.maxsize

    @property
    def is_here(self) -> bool:
        """Whether its program is installed."""
        return shutil.which(self.words[0]) is not None


@dataclass
class _Runs:
    walls: list[float] = field(default_factory=list)
    cpus: list[float] = field(default_factory=list)
    memory: int = 0

    def cost(self) -> Cost:
        return Cost(
            wall_least=min(self.walls), wall=statistics.median(self.walls), cpu=statistics.median(self.cpus)
        )


def measure(
    what: str,
    clients: Sequence[Client],
    *,
    rounds: int,
    environment: Mapping[str, str],
    prepare: Callable[[], None],
) -> list[Row]:
    """Return a row for each client that is installed, and say which are not; the first one is dodas.

    Args:
        what: The work.
        clients: Who does it.
        rounds: How often each.
        environment: Of all of them.
        prepare: Called before each run.
    """
    here = [client for client in clients if client.is_here]
    for client in clients:
        if client not in here:
            print(f"  {what}: without {client.how}, which is not installed", file=sys.stderr)
    runs = {client.how: _Runs() for client in here}
    for number in range(rounds):
        for client in here:
            if number >= client.most:
                continue
            prepare()
            _run(client, environment, runs[client.how])
            client.check()
    dodas = runs[DODAS].cost()
    return [
        Row(
            what,
            how,
            one.cost(),
            None if how == DODAS else dodas,
            f"at most {one.memory >> 10} MiB of memory",
        )
        for how, one in runs.items()
    ]


def _run(client: Client, environment: Mapping[str, str], runs: _Runs) -> None:
    began = time.perf_counter()
    with subprocess.Popen(
        client.words, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as process:
        assert process.stderr
        runs.memory = max(runs.memory, memory_until_the_end(process.pid))
        said = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != client.status:
        sys.exit(f"{' '.join(client.words)[:300]}: status {process.returncode}\n{said.decode()[-2000:]}")
    runs.walls.append(time.perf_counter() - began)
    runs.cpus.append(usage.ru_utime + usage.ru_stime)


def memory_until_the_end(pid: int) -> int:
    """Return the most KiB that a process has had, looking often: its usage tells that of its parent."""
    most = 0
    while os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        with suppress(OSError), open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as status:
            found = re.search(r"VmHWM:\s*([0-9]+) kB", status.read())
            most = max(most, int(found[1]) if found else 0)
        time.sleep(0.02)
    return most
