"""Workflows that bring up the same pool: it is there once, for all of them, and goes after the last one."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from condor_pool import until
from dodas.containers import locks
from pool_visits import NAME, Visited, visited

pytestmark = pytest.mark.slow

_WAITS = "waiting for another"
_GOES = "no workflow needs the pool any more"


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[Visited]:
    with visited(tmp_path / "the pool's folder") as made:
        yield made


def wait_for_words(run: subprocess.Popen[str], words: str) -> None:
    """Wait until a workflow says something."""
    assert run.stderr is not None
    lines = []
    for line in run.stderr:
        lines.append(line)
        if words in line:
            return
    raise AssertionError("".join(lines))


def pilot() -> psutil.Process | None:
    """Return a worker of the pool."""
    for one in psutil.process_iter(["cmdline"]):
        words = one.info["cmdline"] or ["", ""]
        if words[-2:-1] == ["pilot"] and f"/{NAME}-small-" in words[-1]:
            return one
    return None


def test_runs_that_start_at_the_same_moment_share_it(pool: Visited) -> None:
    pool.describe(idle=6)
    names = ["one", "two", "three"]
    runs = [pool.start(name) for name in names]
    for run, name in zip(runs, names, strict=True):
        pool.went_well(run, name)
    assert len(pool.runs()) == len(runs)  # it remembers all: it was brought up once
    pool.goes()


def test_one_that_comes_before_it_is_taken_down_keeps_it(pool: Visited) -> None:
    pool.run("one")
    keeper = pool.keeper
    with locks.exclusive(str(pool.lock), keep=False):  # nobody gets on with it
        until(lambda: pool.said(_GOES) > 0)
        run = pool.start("two")
        wait_for_words(run, _WAITS)
    pool.went_well(run, "two")
    assert pool.keeper == keeper


def test_one_that_comes_while_it_is_taken_down_brings_it_up_again(pool: Visited) -> None:
    pool.describe(minimum=1, idle=2)
    pool.run("one")
    keeper, worker = pool.keeper, pilot()
    assert worker is not None
    until(lambda: pool.pools.status(NAME)["jobs"] == {})
    worker.suspend()  # it takes its time to end
    try:
        until(lambda: pool.said(_GOES) > 0 and pool.is_being_changed())
        run = pool.start("two")
        wait_for_words(run, _WAITS)
    finally:
        worker.resume()
    pool.describe(idle=2)
    pool.went_well(run, "two")
    assert pool.keeper != keeper


def test_one_that_a_person_wants_stays(pool: Visited) -> None:
    pool.run("one")
    done = pool.pools("up", str(pool.folder / "pool.yaml"))
    assert done.returncode == 0, done.stderr
    said = pool.said(_GOES)
    pool.stays(4)
    assert pool.said(_GOES) == said
    done = pool.pools("down", NAME)
    assert done.returncode == 0, done.stderr


def test_a_file_that_will_not_do_leaves_nothing(pool: Visited) -> None:
    text = (pool.folder / "pool.yaml").read_text()
    (pool.folder / "pool.yaml").write_text(f"{text}manager: {{host: no.such.host.invalid}}\n")
    run = pool.start("one")
    _, said = run.communicate(timeout=60)
    assert run.returncode == 1
    assert "no.such.host.invalid" in said
    assert pool.is_gone
