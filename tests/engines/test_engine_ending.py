"""Whatever is killed, nothing is left: no process, no mount, no file."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from dodas.containers.engines.mounts import mounted_below
from dodas.worker.client import Began, Ended, Worker
from dodas.worker.scratch import sweep
from engine_bench import Bench

_PATIENCE = 30.0


@pytest.fixture
def token(request: pytest.FixtureRequest) -> Iterator[str]:
    """A number that marks the processes of this test; none may be left."""
    made = f"{os.getpid()}{time.time_ns() % 10**8:08}"
    yield made
    assert _gone(made)


def _marked(token: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter(["cmdline"]):
        if any(token in word for word in process.info["cmdline"] or ()) and process.pid != os.getpid():
            found.append(process)
    return found


def _gone(token: str) -> bool:
    """Wait until no marked process is left; processes of others give no event to wait for."""
    end = time.monotonic() + _PATIENCE
    while left := _marked(token):
        if time.monotonic() > end:
            return False
        psutil.wait_procs(left, timeout=0.2)
    return True


def _wait_for(path: Path) -> None:
    end = time.monotonic() + _PATIENCE
    while not path.exists():
        assert time.monotonic() < end, f"{path} never appeared"
        time.sleep(0.01)


def _until_clean(bench: Bench) -> None:
    """Wait until nothing of a step is left in the scratch directory; files go after the end has been told."""
    end = time.monotonic() + _PATIENCE
    while _left(bench.worker.scratch) or mounted_below(bench.worker.scratch):
        assert time.monotonic() < end
        time.sleep(0.01)


def _left(scratch: str) -> list[str]:
    """Return what is not a directory that was made ahead for a step to come, with nothing in it yet."""
    left = []
    for top, folders, files in os.walk(scratch):
        depth = len(Path(top).relative_to(scratch).parts)
        left += [name for name in files if (depth, name) != (0, "lock")]
        left += folders if depth > 1 else []
        with suppress(FileNotFoundError):
            if depth == 2 and os.stat(top).st_mode & 0o7777 != 0o1777:
                left.append(top)
    return left


def _start_stubborn(bench: Bench, tmp_path: Path, token: str, **options: object) -> str:
    """Start a command that ignores signals, with a daemon; return its key once both run."""
    script = (
        f'trap "" TERM INT HUP; (setsid sh -c \'trap "" TERM HUP; touch {{up}}-daemon; sleep {token}\' &);'
        f" touch {{up}}; sleep {token}"
    ).replace("{up}", f"{tmp_path}/up")
    key = bench.start("sh", "-c", script, mounts=((str(tmp_path), str(tmp_path), True),), **options)
    _wait_for(tmp_path / "up")
    _wait_for(tmp_path / "up-daemon")
    return key


def test_daemons_end_with_the_step(bench: Bench, token: str) -> None:
    outcome = bench.run("sh", "-c", f"(setsid sleep {token} &) ; sleep {token} & exit 3")
    assert outcome.exit_code == 3
    assert _marked(token) == []


def test_a_polite_stop_lets_the_command_finish(bench: Bench, tmp_path: Path, token: str) -> None:
    up = tmp_path / "up"
    script = f"trap 'echo bye; exit 3' TERM; touch {up}; while true; do sleep 0.05; done; : {token}"
    key = bench.start("sh", "-c", script, mounts=((str(tmp_path), str(tmp_path), True),), grace=20.0)
    _wait_for(up)
    bench.worker.stop(key)
    outcome = bench.end(key)
    assert (outcome.exit_code, outcome.stopped) == (3, True)
    assert bench.stdout.read_text() == "bye\n"


def test_a_deaf_command_is_killed_after_its_grace(bench: Bench, tmp_path: Path, token: str) -> None:
    key = _start_stubborn(bench, tmp_path, token, grace=0.2)
    bench.worker.stop(key)
    outcome = bench.end(key)
    assert outcome.stopped
    assert outcome.exit_code != 0
    assert _marked(token) == []


def test_a_stop_at_once(bench: Bench, tmp_path: Path, token: str) -> None:
    key = _start_stubborn(bench, tmp_path, token, grace=1000.0)
    bench.worker.stop(key, now=True)
    assert bench.end(key).exit_code != 0
    assert _marked(token) == []


def test_the_time_limit(bench: Bench, token: str) -> None:
    outcome = bench.run("sleep", token, walltime=0.2, grace=0.2)
    assert outcome.timed_out
    assert outcome.exit_code != 0


def test_stopping_what_is_over_or_unknown_is_no_error(bench: Bench) -> None:
    key = bench.start("true")
    bench.end(key)
    bench.worker.stop(key)
    bench.worker.stop("never heard of")
    assert bench.run("true").exit_code == 0


def test_scratch_is_empty_after_each_step(container: Bench) -> None:
    container.run("sh", "-c", "mkdir -m 0 /tmp/closed; mkdir -p /tmp/a/b; touch /tmp/a/b/c; chmod 0 /tmp/a")
    _until_clean(container)


def test_kill_of_the_supervisor(bench: Bench, tmp_path: Path, token: str) -> None:
    key = _start_stubborn(bench, tmp_path, token)
    supervisor = next(pid for pid in _children(bench.worker.pid))
    os.kill(supervisor, signal.SIGKILL)
    outcome = bench.end(key)
    assert outcome.lost
    assert _gone(token)
    assert bench.run("true").exit_code == 0
    _until_clean(bench)


def test_kill_of_the_fork_server(bench: Bench, tmp_path: Path, token: str) -> None:
    key = _start_stubborn(bench, tmp_path, token, grace=0.2)
    os.kill(bench.worker.pid, signal.SIGKILL)
    outcome = bench.end(key)
    assert outcome.lost
    assert not bench.worker.alive
    assert _gone(token)


def test_kill_of_the_command(bench: Bench, token: str) -> None:
    key = bench.start("sleep", token)
    while not any(isinstance(news, Began) for news in bench.worker.told(1.0)):
        pass
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        victims = [process for process in _marked(token) if process.name() in ("sleep", "busybox")]
        if victims:
            victims[-1].kill()
            break
        time.sleep(0.01)
    assert bench.end(key).exit_code == 137


def test_kill_of_everything_but_the_supervisor_is_never_success(bench: Bench, token: str) -> None:
    """Whoever is killed first, the shell that PRoot needs too, the step did not succeed."""
    for victim in range(4):
        key = bench.start("sh", "-c", f"true; sleep {token} && exit 0; exit 9")
        end = time.monotonic() + _PATIENCE
        while not (found := _marked(token)) and time.monotonic() < end:
            time.sleep(0.01)
        assert found
        for process in (found[victim % len(found)], *_marked(token)):
            with suppress(psutil.NoSuchProcess):
                if process == found[victim % len(found)] or process.name() in ("sleep", "busybox"):
                    process.kill()
        assert bench.end(key).exit_code not in (0, None)


_PROGRAM = """
import sys
from dodas.containers.launch import Launch
from dodas.worker.client import Worker
engine, program, root, scratch, shared, token = sys.argv[1:]
worker = Worker(scratch)
script = f'trap "" TERM; (setsid sleep {token} &); touch {shared}/up; sleep {token}'
worker.start("x", Launch(engine=engine, program=program, root=root or None, scratch="", grace=0.2,
    argv=("/bin/sh", "-c", script), env=(("PATH", "/bin:/usr/bin"),), mounts=((shared, shared, True),)))
while True:
    worker.told(None)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_death_of_the_program_itself(bench: Bench, tmp_path: Path, token: str, number: int) -> None:
    from dodas.worker.choose import program_of

    scratch, shared = tmp_path / "scratch", tmp_path / "shared"
    scratch.mkdir()
    shared.mkdir()
    root = "" if bench.engine == "host" else str(bench.root)
    arguments = (bench.engine, program_of(bench.engine), root, str(scratch), str(shared), token)
    path = os.pathsep.join(filter(None, sys.path))
    with subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, *arguments],
        env={**os.environ, "PYTHONPATH": path},
        stderr=subprocess.DEVNULL,
    ) as program:
        _wait_for(shared / "up")
        program.send_signal(number)
        program.wait()
    assert _gone(token)
    home = scratch / f"dodas-{os.geteuid()}"
    end = time.monotonic() + _PATIENCE
    while os.listdir(home) and time.monotonic() < end:
        time.sleep(0.02)  # the fork server cleans up on its own; a killed one leaves it to the next
    assert os.listdir(home) == []
    assert mounted_below(str(scratch)) == []


def test_what_a_killed_server_left_is_swept_by_the_next(container: Bench, tmp_path: Path, token: str) -> None:
    key = _start_stubborn(container, tmp_path, token, grace=0.1)
    left = container.worker.scratch
    os.kill(container.worker.pid, signal.SIGKILL)
    container.end(key)
    assert _gone(token)
    end = time.monotonic() + _PATIENCE
    while os.path.exists(left) and time.monotonic() < end:
        sweep(os.path.dirname(left))
    assert not os.path.exists(left)
    assert mounted_below(left) == []


def test_many_at_once(bench: Bench) -> None:
    keys = {bench.start("sh", "-c", f"exit {number % 7}") for number in range(100)}
    while keys:
        for news in bench.worker.told(None):
            if isinstance(news, Ended):
                keys.discard(news.key)
                assert news.outcome.exit_code == (int(news.key.rpartition("-")[2]) - 1) % 7


def test_orders_larger_than_any_buffer(bench: Bench) -> None:
    word = "x" * 100_000
    keys = {bench.start("sh", "-c", "test ${#1} = 100000", "sh", word) for _ in range(20)}
    while keys:
        for news in bench.worker.told(None):
            if isinstance(news, Ended):
                keys.discard(news.key)
                assert news.outcome.exit_code == 0


def test_close_may_be_repeated(tmp_path: Path) -> None:
    worker = Worker(str(tmp_path))
    worker.close()
    worker.close()
    assert os.listdir(tmp_path / f"dodas-{os.geteuid()}") == []


def _children(pid: int) -> list[int]:
    return [child.pid for child in psutil.Process(pid).children()]
