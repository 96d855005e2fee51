"""Supervisors that wait for a step: whatever happens to them, every step runs once, and none is left."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from dodas.containers.engines import engine
from dodas.containers.engines.base import is_spawner
from dodas.containers.launch import Outcome
from dodas.worker.client import Began
from dodas.worker.strays import parents
from engine_bench import Bench

_PATIENCE = 30.0
_FEW = 5
_POLITE = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)


class Steps:
    """Steps of a bench, and which processes were told to be theirs."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.pids: dict[str, list[int]] = {}
        self.outcomes: dict[str, Outcome] = {}
        self.ahead = not is_spawner(engine(bench.engine))  # whether a spare has a child, too

    def start(self, *argv: str, **options: object) -> str:
        """Start a command and wait until it is told which process it got."""
        key = self.bench.start(*argv, **options)
        while key not in self.pids:
            self._hear()
        return key

    def end(self, key: str) -> Outcome:
        """Wait for its end."""
        while key not in self.outcomes:
            self._hear()
        return self.outcomes[key]

    def run(self, *argv: str, **options: object) -> Outcome:
        """Run a command to its end."""
        return self.end(self.start(*argv, **options))

    def spares(self) -> list[psutil.Process]:
        """Wait until all but those with a step are spares, one of which the next step gets; nothing tells."""
        busy = {pids[-1] for key, pids in self.pids.items() if key not in self.outcomes}
        end = time.monotonic() + _PATIENCE
        while True:
            found = [pid for pid in _children(self.bench.worker.pid) if pid not in busy]
            if found and all(map(self._waits, found)):
                return [psutil.Process(pid) for pid in found]
            assert time.monotonic() < end, found
            time.sleep(0.005)

    def _waits(self, pid: int) -> bool:
        children = _children(pid)
        with suppress(psutil.NoSuchProcess):
            states = {psutil.Process(each).status() for each in (pid, *children)}
            return states == {psutil.STATUS_SLEEPING} and len(children) == self.ahead
        return False

    def _hear(self) -> None:
        for news in self.bench.worker.told(None):
            if isinstance(news, Began):
                self.pids.setdefault(news.key, []).append(news.pid)
            else:
                self.outcomes[news.key] = news.outcome


def _children(pid: int) -> list[int]:
    return [child for child, parent in parents().items() if parent == pid]


def _families(spares: list[psutil.Process]) -> list[psutil.Process]:
    return [*spares, *(psutil.Process(child) for spare in spares for child in _children(spare.pid))]


def _suspend(processes: list[psutil.Process]) -> None:
    for process in processes:
        process.suspend()
    end = time.monotonic() + _PATIENCE
    while any(process.status() != psutil.STATUS_STOPPED for process in processes):
        assert time.monotonic() < end
        time.sleep(0.001)


def _gone(processes: list[psutil.Process]) -> bool:
    return not psutil.wait_procs(processes, timeout=_PATIENCE)[1]


@pytest.fixture
def steps(bench: Bench) -> Steps:
    """Steps of an engine whose fork server has a spare, as after any step."""
    made = Steps(bench)
    assert made.run("true").exit_code == 0
    made.spares()
    return made


def test_the_next_step_is_the_spare(steps: Steps) -> None:
    for _ in range(5):
        spares = [spare.pid for spare in steps.spares()]
        key = steps.start("sh", "-c", "exit 3")
        assert steps.pids[key][0] in spares
        assert steps.end(key).exit_code == 3


def test_a_supervisor_has_many_steps(steps: Steps) -> None:
    """What they use does not add up."""
    if steps.bench.engine == "fuse":
        pytest.skip("the supervisor of a mount has no other step")
    before = steps.run("sh", "-c", "i=0; while test $i -lt 1000000; do i=$((i+1)); done; exit 4")
    outcomes = [steps.run("true") for _ in range(8)]
    assert all(outcome.cpu < before.cpu / 2 for outcome in outcomes)
    assert before.exit_code == 4
    assert {outcome.exit_code for outcome in outcomes} == {0}
    assert len({pids[0] for pids in steps.pids.values()}) < len(steps.pids)
    assert max(outcome.cpu for outcome in outcomes) < 8 * (min(outcome.cpu for outcome in outcomes) + 0.01)
    assert all(outcome.read >= 0 <= outcome.written for outcome in outcomes)


def test_the_memory_of_one_step_is_not_that_of_the_next(steps: Steps) -> None:
    script = "x=x; i=0; while test $i -lt 24; do x=$x$x; i=$((i+1)); done; test ${#x} -gt 9"
    large = steps.run("sh", "-c", script)
    assert large.exit_code == 0
    assert all(steps.run("true").peak_memory < large.peak_memory - (8 << 20) for _ in range(4))


def test_no_descriptors_are_left_of_steps(steps: Steps) -> None:
    steps.run("true")
    before = max(spare.num_fds() for spare in steps.spares())
    for _ in range(12):
        steps.run("true")
    assert max(spare.num_fds() for spare in steps.spares()) <= before


def test_a_killed_spare_costs_no_step(steps: Steps) -> None:
    for _ in range(5):
        spares = steps.spares()
        for spare in spares:
            spare.kill()
        assert steps.run("sh", "-c", "exit 3").exit_code == 3
        assert _gone(spares)


def test_the_killed_child_of_a_spare_costs_no_step(steps: Steps) -> None:
    spares = steps.spares()
    for process in _families(spares):
        if process not in spares:
            process.kill()
    for _ in range(len(spares) + 2):
        assert steps.run("sh", "-c", "exit 3").exit_code == 3


def test_a_spare_killed_before_it_took_its_launch(steps: Steps) -> None:
    spares = steps.spares()
    _suspend(spares)
    key = steps.start("sh", "-c", "echo once")
    for spare in spares:
        spare.kill()
    assert steps.end(key).exit_code == 0
    assert steps.bench.stdout.read_text() == "once\n"
    assert steps.pids[key][0] in {spare.pid for spare in spares}
    assert len(steps.pids[key]) == 2


def test_a_child_that_cannot_take_its_launch(steps: Steps) -> None:
    spares = steps.spares()
    children = [process for process in _families(spares) if process not in spares]
    if not children:
        pytest.skip("this engine starts its commands without a child forked ahead")
    _suspend(children)
    key = steps.start("sh", "-c", "echo once")
    for child in children:
        with suppress(psutil.NoSuchProcess):  # its supervisor was told that it had stopped
            child.kill()
    assert steps.end(key).exit_code == 0
    assert steps.bench.stdout.read_text() == "once\n"


def test_a_stopped_launch_is_not_started_again(steps: Steps, tmp_path: Path) -> None:
    spares = steps.spares()
    _suspend(spares)
    key = steps.start("touch", str(tmp_path / "ran"), mounts=((str(tmp_path), str(tmp_path), True),))
    steps.bench.worker.stop(key)
    for spare in spares:
        if spare.pid != steps.pids[key][0]:
            spare.resume()
    assert steps.run("true").exit_code == 0  # orders are obeyed one after the other
    psutil.Process(steps.pids[key][0]).kill()
    assert steps.end(key).lost
    assert not (tmp_path / "ran").exists()


def test_a_launch_that_waits_in_a_spare_can_be_stopped(steps: Steps) -> None:
    spares = steps.spares()
    _suspend(spares)
    key = steps.start("sleep", "1000", grace=0.5)
    steps.bench.worker.stop(key)
    for spare in spares:
        if spare.pid != steps.pids[key][0]:
            spare.resume()
    assert steps.run("true").exit_code == 0  # orders are obeyed one after the other
    psutil.Process(steps.pids[key][0]).resume()
    outcome = steps.end(key)
    assert outcome.stopped
    assert outcome.exit_code != 0


def test_a_stop_that_comes_too_late_is_not_the_business_of_the_next_step(steps: Steps) -> None:
    for _ in range(20):
        key = steps.start("true")
        steps.bench.worker.stop(key)
        following = steps.start("sh", "-c", "exit 3")
        steps.bench.worker.stop(key)
        outcome = steps.end(following)
        assert (outcome.exit_code, outcome.stopped) == (3, False)
        steps.end(key)


def test_signals_that_a_spare_got_are_not_the_business_of_the_next_step(steps: Steps) -> None:
    for process in _families(steps.spares()):
        for number in _POLITE:
            process.send_signal(number)
    outcome = steps.run("sh", "-c", "exit 3")
    assert (outcome.exit_code, outcome.stopped) == (3, False)


def test_the_end_of_the_program_is_the_end_of_the_spares(steps: Steps) -> None:
    processes = _families(steps.spares())
    steps.bench.worker.close()
    assert _gone(processes)


def test_kill_of_the_fork_server_ends_the_spares(steps: Steps) -> None:
    processes = _families(steps.spares())
    os.kill(steps.bench.worker.pid, signal.SIGKILL)
    assert _gone(processes)


def test_kill_of_the_fork_server_that_has_given_away_a_launch(steps: Steps) -> None:
    spares = steps.spares()
    processes = _families(spares)
    _suspend(spares)
    steps.start("sleep", "1000")
    os.kill(steps.bench.worker.pid, signal.SIGKILL)
    for spare in spares:
        spare.resume()
    assert _gone(processes)


def test_supervisors_killed_at_once_are_all_told_of(bench: Bench, tmp_path: Path) -> None:
    steps = Steps(bench)
    mounts = ((str(tmp_path), str(tmp_path), True),)
    keys = [
        steps.start("sh", "-c", f"touch {tmp_path}/up{number}; sleep 1000", mounts=mounts)
        for number in range(8)
    ]
    end = time.monotonic() + _PATIENCE
    while len(list(tmp_path.glob("up*"))) < len(keys):
        assert time.monotonic() < end
        time.sleep(0.005)
    for key in keys:
        os.kill(steps.pids[key][-1], signal.SIGKILL)
    assert all(steps.end(key).lost for key in keys)
    assert steps.run("true").exit_code == 0


def test_a_burst_leaves_few_spares(steps: Steps) -> None:
    keys = {steps.bench.start("sh", "-c", f"exit {number % 7}"): number % 7 for number in range(100)}
    assert {key: steps.end(key).exit_code for key in keys} == keys
    assert steps.run("true").exit_code == 0  # with which those are let go that are not needed
    end = time.monotonic() + _PATIENCE
    while len(steps.spares()) > _FEW:
        assert time.monotonic() < end
        time.sleep(0.005)


def test_a_spare_knows_nothing_of_other_steps(steps: Steps) -> None:
    """Neither variables nor descriptors of those that run or have run."""
    path = os.environ["PATH"] if steps.bench.engine == "host" else "/bin"
    other = steps.start("sleep", "1000", env=(("PATH", path), ("SECRET", "of another")))
    steps.spares()
    script = 'env; for fd in /proc/$$/fd/*; do test "${fd##*/}" -gt 2 && readlink "$fd"; done; true'
    assert steps.run("sh", "-c", script).exit_code == 0
    seen = steps.bench.stdout.read_text()
    assert f"PATH={path}" in seen
    assert "SECRET" not in seen
    assert "socket" not in seen
    steps.bench.worker.stop(other, now=True)
    assert steps.end(other).stopped


def test_steps_with_and_without_a_network_have_their_own_spares(container: Bench) -> None:
    if not engine(container.engine).isolates_network:
        pytest.skip("this engine cannot take the network away")
    steps = Steps(container)
    for network in (True, False):
        assert steps.run("true", network=network).exit_code == 0
    ready = set(_children(container.worker.pid))
    used = [steps.start("sh", "-c", "exit 3", network=network) for network in (True, False)]
    assert {steps.end(key).exit_code for key in used} == {3}
    assert {steps.pids[key][0] for key in used} <= ready


def test_a_launch_too_large_for_a_spare(steps: Steps) -> None:
    spares = steps.spares()
    key = steps.start("sh", "-c", "test ${#1} = 100000", "sh", "x" * 100_000)
    assert steps.end(key).exit_code == 0
    assert steps.pids[key][0] not in {spare.pid for spare in spares}
    assert set(spares) <= set(steps.spares())
