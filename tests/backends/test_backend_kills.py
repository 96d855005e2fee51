"""Whatever is killed, steps end exactly once and nothing outlives them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

import smallimage
from dodas.backend import Event, Started
from dodas.backends.local import LocalBackend
from dodas.containers.engines.mounts import mounted_below
from dodas.step import Failure, Resources, Step
from dodas.worker.choose import verdict
from local_runs import Followed, Make

PATH = (("PATH", "/bin:/usr/bin"),)
# A program that runs steps and is killed, interrupted, or simply forgets to close.
PROGRAM = """
import sys
from dodas.backend import Started
from dodas.backends.local import LocalBackend
from dodas.containers.engines.mounts import mounted_below
from dodas.step import Step

how, mark, base, store, image, engine, stubborn = sys.argv[1:8]
backend = LocalBackend(logs=base + "/logs", scratch=base + "/scratch", store=store, cores=4, engine=engine)
path = (("PATH", "/bin:/usr/bin"),)
trap = "trap '' TERM HUP INT;" if stubborn else ""
script = f"{trap} (setsid sleep {mark} &); sleep {mark}; sleep {mark}"
backend.submit([
    Step(id=f"s{n}", name="s", argv=("sh", "-c", script), env=path, image=image or None)
    for n in range(3)
])
started = 0
while started < 3:
    started += sum(isinstance(event, Started) for event in backend.events(60))
print("up", flush=True)
if how == "wait":
    with backend:
        for event in backend.events(None):
            pass
        sys.stdin.read()
"""


def sleeper(step_id: str, mark: str, image: str | None = None) -> Step:
    script = f"(setsid sleep {mark} &); sleep {mark}; sleep {mark}"
    return Step(id=step_id, name=step_id, argv=("sh", "-c", script), env=PATH, image=image)


def has_started(step_id: str) -> Callable[[Event], bool]:
    return lambda event: isinstance(event, Started) and event.step == step_id


@dataclass(frozen=True)
class Kind:
    """How steps run."""

    image: str | None
    engine: str = ""


@pytest.fixture(params=["host", "namespace", "fuse", "proot"])
def kind(request: pytest.FixtureRequest) -> Kind:
    """Steps without a container, and with each sort of engine."""
    if request.param == "host":
        return Kind(None)
    found = verdict(request.param)
    if not found.works:
        pytest.skip(f"{request.param}: {found.problem}")
    return Kind(smallimage.NAME, request.param)


def test_a_killed_command_is_a_failed_command(make: Make, followed: Followed, mark: str) -> None:
    backend = make()
    backend.submit([Step(id="s", name="s", argv=("sleep", mark), env=PATH)])
    followed.until(backend, has_started("s"))
    smallimage.wait_for_marked(mark)[0].kill()
    result = followed.finish(backend).results["s"]
    assert (result.failure, result.signal, result.exit_code) == (Failure.TOOL, 9, 137)


def test_a_killed_supervisor_loses_its_step_only(
    make: Make, followed: Followed, mark: str, kind: Kind, small_store: str
) -> None:
    backend = make(cores=2, store=small_store, engine=kind.engine)
    backend.submit(
        [sleeper("lost", mark, kind.image), Step(id="ok", name="ok", argv=("sleep", "0.5"), env=PATH)]
    )
    event = followed.until(backend, has_started("lost"))
    assert isinstance(event, Started)
    assert event.pid is not None
    smallimage.wait_for_marked(mark, 2)
    os.kill(event.pid, signal.SIGKILL)
    results = followed.finish(backend).results
    assert (results["lost"].failure, results["lost"].exit_code) == (Failure.LOST, None)
    assert results["ok"].ok
    smallimage.assert_gone(mark)


def test_a_killed_fork_server_is_replaced(
    make: Make, followed: Followed, mark: str, kind: Kind, small_store: str
) -> None:
    backend = make(cores=2, store=small_store, engine=kind.engine)
    backend.submit([sleeper("a", mark, kind.image), sleeper("b", mark, kind.image)])
    followed.until(backend, has_started("b"))
    smallimage.wait_for_marked(mark, 4)
    server = next(
        child for child in psutil.Process().children() if "dodas.worker" in " ".join(child.cmdline())
    )
    server.kill()
    results = followed.finish(backend).results
    assert {result.failure for result in results.values()} == {Failure.LOST}
    assert all(result.reason and result.usage.wall > 0 for result in results.values())
    smallimage.assert_gone(mark)
    backend.submit([Step(id="later", name="later", argv=("true",), env=PATH, image=kind.image)])
    assert followed.finish(backend).results["later"].ok


def _program(
    how: str, mark: str, base: Path, store: str, kind: Kind, stubborn: str = ""
) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, how, mark, str(base), store, kind.image or "", kind.engine, stubborn],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    return process


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_steps_end_with_the_program(
    make: Make,
    run: Callable[..., Followed],
    tmp_path: Path,
    mark: str,
    kind: Kind,
    small_store: str,
    number: int,
) -> None:
    scratch = tmp_path / "scratch"
    stubborn = "yes" if number == signal.SIGKILL else ""
    with _program("wait", mark, tmp_path, small_store, kind, stubborn) as process:
        smallimage.wait_for_marked(mark, 6)
        process.send_signal(number)
        assert process.wait() != 0
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()
    smallimage.assert_gone(mark)
    # The next one finds a clean place, or makes it so.
    assert run(make(), [Step(id="next", name="next", argv=("true",), env=PATH)]).results["next"].ok
    assert mounted_below(str(scratch)) == []
    assert len(os.listdir(next(scratch.iterdir()))) == 1


def test_forgetting_to_close_leaves_nothing(make: Make, tmp_path: Path, mark: str, small_store: str) -> None:
    with _program("forget", mark, tmp_path, small_store, Kind(None)) as process:
        process.wait()
    smallimage.assert_gone(mark)
    make()


def test_a_backend_that_is_dropped_ends_its_steps(tmp_path: Path, mark: str) -> None:
    backend = LocalBackend(logs=str(tmp_path / "logs"), scratch=str(tmp_path), cores=1)
    backend.submit([sleeper("s", mark)])
    smallimage.wait_for_marked(mark)
    del backend
    smallimage.assert_gone(mark)
    assert not [thread for thread in threading.enumerate() if thread.name == "dodas-local"]


def test_hundreds_that_end_and_start_at_once(make: Make, followed: Followed, mark: str) -> None:
    backend = make(cores=1)
    sliver = Resources(cores=0.001)
    backend.submit(
        [
            Step(id=f"s{number}", name="s", argv=("sleep", mark), env=PATH, resources=sliver)
            for number in range(400)
        ]
    )
    started = 0
    while started < 400:
        started += sum(isinstance(event, Started) for event in backend.events(60))
    backend.cancel([f"s{number}" for number in range(400)])
    results = followed.finish(backend).results
    assert len(results) == 400
    assert {result.failure for result in results.values()} == {Failure.CANCELLED}
