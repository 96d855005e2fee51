"""Supervisors that were forked ahead: whatever happens to them, every step runs once, and none is left."""

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

    def spare(self) -> psutil.Process:
        """Wait for the spare that follows a start, and until it waits; nothing tells of it."""
        known = {pid for pids in self.pids.values() for pid in pids}
        end = time.monotonic() + _PATIENCE
        while True:
            found = [pid for pid in _children(self.bench.worker.pid) if pid not in known]
            if len(found) == 1 and self._waits(found[0]):
                return psutil.Process(found[0])
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


def _family(spare: psutil.Process) -> list[psutil.Process]:
    return [spare, *map(psutil.Process, _children(spare.pid))]


def _suspend(process: psutil.Process) -> None:
    process.suspend()
    end = time.monotonic() + _PATIENCE
    while process.status() != psutil.STATUS_STOPPED:
        assert time.monotonic() < end
        time.sleep(0.001)


def _gone(processes: list[psutil.Process]) -> bool:
    return not psutil.wait_procs(processes, timeout=_PATIENCE)[1]


@pytest.fixture
def steps(bench: Bench) -> Steps:
    """Steps of an engine whose fork server has a spare, as after any step."""
    made = Steps(bench)
    assert made.run("true").exit_code == 0
    made.spare()
    return made


def test_the_next_step_is_the_spare(steps: Steps) -> None:
    for _ in range(3):
        spare = steps.spare()
        key = steps.start("true")
        assert steps.pids[key] == [spare.pid]
        assert steps.end(key).exit_code == 0


def test_a_killed_spare_costs_no_step(steps: Steps) -> None:
    for _ in range(5):
        spare = steps.spare()
        spare.kill()
        assert steps.run("sh", "-c", "exit 3").exit_code == 3
        assert _gone([spare])


def test_the_killed_child_of_a_spare_costs_no_step(steps: Steps) -> None:
    for _ in range(5):
        for child in _children(steps.spare().pid):
            os.kill(child, signal.SIGKILL)
        assert steps.run("sh", "-c", "exit 3").exit_code == 3


def test_a_spare_killed_before_it_took_its_launch(steps: Steps) -> None:
    spare = steps.spare()
    _suspend(spare)
    key = steps.start("sh", "-c", "echo once")
    spare.kill()
    assert steps.end(key).exit_code == 0
    assert steps.bench.stdout.read_text() == "once\n"
    assert steps.pids[key][0] == spare.pid
    assert len(steps.pids[key]) == 2


def test_a_child_that_cannot_take_its_launch(steps: Steps) -> None:
    spare = steps.spare()
    for child in map(psutil.Process, _children(spare.pid)):
        _suspend(child)
        key = steps.start("sh", "-c", "echo once")
        with suppress(psutil.NoSuchProcess):  # its supervisor was told that it had stopped
            child.kill()
        assert steps.end(key).exit_code == 0
        assert steps.bench.stdout.read_text() == "once\n"


def test_a_stopped_launch_is_not_started_again(steps: Steps, tmp_path: Path) -> None:
    spare = steps.spare()
    _suspend(spare)
    key = steps.start("touch", str(tmp_path / "ran"), mounts=((str(tmp_path), str(tmp_path), True),))
    steps.bench.worker.stop(key)
    assert steps.run("true").exit_code == 0  # orders are obeyed one after the other
    spare.kill()
    assert steps.end(key).lost
    assert not (tmp_path / "ran").exists()


def test_a_launch_that_waits_in_a_spare_can_be_stopped(steps: Steps) -> None:
    spare = steps.spare()
    _suspend(spare)
    key = steps.start("sleep", "1000", grace=0.5)
    steps.bench.worker.stop(key)
    assert steps.run("true").exit_code == 0
    spare.resume()
    outcome = steps.end(key)
    assert outcome.stopped
    assert outcome.exit_code != 0


def test_signals_that_a_spare_got_are_not_the_business_of_the_next_step(steps: Steps) -> None:
    spare = steps.spare()
    for process in _family(spare):
        for number in _POLITE:
            process.send_signal(number)
    outcome = steps.run("sh", "-c", "exit 3")
    assert (outcome.exit_code, outcome.stopped) == (3, False)


def test_the_end_of_the_program_is_the_end_of_the_spares(steps: Steps) -> None:
    spare = steps.spare()
    processes = _family(spare)
    steps.bench.worker.close()
    assert _gone(processes)


def test_kill_of_the_fork_server_ends_the_spares(steps: Steps) -> None:
    spare = steps.spare()
    processes = _family(spare)
    os.kill(steps.bench.worker.pid, signal.SIGKILL)
    assert _gone(processes)


def test_kill_of_the_fork_server_that_has_given_away_a_launch(steps: Steps) -> None:
    spare = steps.spare()
    _suspend(spare)
    steps.start("sleep", "1000")
    processes = _family(spare)
    os.kill(steps.bench.worker.pid, signal.SIGKILL)
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


def test_a_burst_leaves_one_spare(steps: Steps) -> None:
    keys = {steps.bench.start("sh", "-c", f"exit {number % 7}"): number % 7 for number in range(100)}
    assert {key: steps.end(key).exit_code for key in keys} == keys
    steps.spare()


def test_a_spare_knows_nothing_of_other_steps(steps: Steps) -> None:
    """Neither variables nor descriptors of those that run or have run."""
    path = os.environ["PATH"] if steps.bench.engine == "host" else "/bin"
    other = steps.start("sleep", "1000", env=(("PATH", path), ("SECRET", "of another")))
    steps.spare()
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
    spare = steps.spare()
    key = steps.start("sh", "-c", "test ${#1} = 100000", "sh", "x" * 100_000)
    assert steps.end(key).exit_code == 0
    assert steps.pids[key] != [spare.pid]
    assert steps.spare() == spare
