"""Transfers of steps that are cancelled, killed or cut short: nothing hangs, nothing is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from backend_kinds import Anywhere
from dodas.backend import Preparing, Started
from dodas.backends.local import LocalBackend
from dodas.step import Failure, Input, Output, Step
from local_runs import Followed, Make
from servers.apache import Apache
from servers.faults import Fault
from servers.faulty import Faulty
from servers.ports import free_port

PATH = (("PATH", "/usr/bin:/bin"),)


@pytest.fixture(autouse=True)
def held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], list[Path]]]:
    """Return what tells what is held for steps; at the end that is nothing."""
    monkeypatch.setenv("DODAS_CACHE", str(tmp_path / "cache"))

    def found() -> list[Path]:
        return [path for path in (tmp_path / "cache" / "staging-held").rglob("*") if path.name != "lock"]

    yield found
    assert found() == []


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A directory for steps."""
    made = tmp_path / "home"
    made.mkdir()
    return made


def step(name: str, script: str, home: Path, **fields: Any) -> Step:
    return Step(id=name, name=name, argv=("sh", "-c", script), env=PATH, cwd=str(home), **fields)


def fetching(event: object) -> bool:
    return isinstance(event, Preparing) and event.what.startswith("input")


def test_a_fetch_that_hangs_is_cancelled(make: Make, faulty: Faulty, apache: Apache, home: Path) -> None:
    (apache.root / "f").write_bytes(bytes(100_000))
    hangs = Fault(method="GET", path="/f", hang_after=1000)
    faulty.fault(hangs)
    backend, told = make(), Followed()
    backend.submit([step("s", "true", home, inputs=(Input(source=faulty.url("f"), target=f"{home}/in"),))])
    told.until(backend, fetching)
    backend.cancel(["s"])
    assert told.finish(backend).results["s"].failure is Failure.CANCELLED
    assert list(home.iterdir()) == []
    hangs.gate.set()
    backend.close()


def test_publishing_that_hangs_is_cancelled(make: Make, faulty: Faulty, home: Path) -> None:
    hangs = Fault(method="PUT", hang_after=1000, cut_request=True)
    faulty.fault(hangs)
    backend, told = make(), Followed()
    out = Output(path=f"{home}/out", destination=faulty.url("out"))
    backend.submit([step("s", "head -c 9000000 /dev/zero > out", home, outputs=(out,))])
    told.until(backend, lambda event: isinstance(event, Preparing) and event.what.startswith("output"))
    backend.cancel(["s"])
    result = told.finish(backend).results["s"]
    assert (result.failure, result.exit_code) == (Failure.CANCELLED, 0)
    hangs.gate.set()
    backend.close()


def test_while_one_publishes_the_next_one_runs(
    make: Make, faulty: Faulty, apache: Apache, home: Path
) -> None:
    hangs = Fault(method="PUT", hang_after=1, cut_request=True)
    faulty.fault(hangs)
    backend, told = make(cores=1), Followed()
    out = Output(path=f"{home}/out", destination=faulty.url("out"))
    backend.submit([step("s", "echo x > out", home, outputs=(out,)), step("next", "true", home)])
    told.until(backend, lambda event: isinstance(event, Started) and event.step == "next")
    assert "s" not in told.results
    hangs.gate.set()
    results = told.finish(backend).results
    assert results["s"].ok, results["s"].reason
    assert results["next"].ok
    assert (apache.root / "out").read_text() == "x\n"


def test_only_some_steps_ahead_are_fetched_for(make: Make, apache: Apache, home: Path) -> None:
    for number in range(30):
        (apache.root / str(number)).write_text("x")
    backend, told = make(cores=1), Followed()
    backend.submit([step("first", "until [ -e go ]; do sleep 0.01; done", home)])
    told.until(backend, lambda event: isinstance(event, Started))
    later = [
        step(str(number), "cat in*", home,
             inputs=(Input(source=apache.url(str(number)), target=f"{home}/in{number}"),))
        for number in range(30)
    ]  # fmt: skip
    backend.submit(later)
    seen: set[str] = set()
    while len(seen) < 8:
        event = told.until(backend, fetching)
        seen.add(event.step)
    assert len({request.path for request in apache.requests() if request.method == "GET"}) <= 8
    (home / "go").touch()
    results = told.finish(backend).results
    assert [result.reason for result in results.values()] == [""] * 31


def test_steps_at_once_may_want_the_same_file_at_the_same_place(
    make: Make, apache: Apache, home: Path
) -> None:
    (apache.root / "f").write_text("x\n")
    same = (Input(source=apache.url("f"), target=f"{home}/sub/in"),)
    script = "touch here.$0; until [ -e here.a ] && [ -e here.b ]; do sleep 0.01; done; cat sub/in"
    steps = [
        Step(id=name, name=name, argv=("sh", "-c", script, name), env=PATH, cwd=str(home), inputs=same)
        for name in ("a", "b")
    ]
    backend = make(cores=2)
    backend.submit(steps)
    results = Followed().finish(backend).results
    assert [Path(result.stdout or "").read_text() for result in results.values()] == ["x\n"] * 2
    assert sorted(os.listdir(home)) == ["here.a", "here.b"]


def test_a_file_of_the_users_is_not_in_the_way_unnoticed(make: Make, apache: Apache, home: Path) -> None:
    (apache.root / "f").write_text("x\n")
    (home / "in").write_text("mine")
    backend = make()
    backend.submit([step("s", "true", home, inputs=(Input(source=apache.url("f"), target=f"{home}/in"),))])
    result = Followed().finish(backend).results["s"]
    assert result.failure is Failure.STAGE_IN
    assert "is there already" in result.reason
    assert (home / "in").read_text() == "mine"


def test_a_storage_that_is_away(anywhere: Anywhere, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DODAS_STORAGE_ATTEMPTS", "1")
    url = f"http://localhost:{free_port()}/f"
    wants = step("s", "true", home, inputs=(Input(source=url, target=f"{home}/in"),))
    result = anywhere.run([wants], **anywhere.without_retries).results["s"]
    assert result.failure is Failure.STAGE_IN
    assert url in result.reason


KILLED = """
import sys
from dodas.backends.local import LocalBackend
from dodas.step import Input, Step
url, home = sys.argv[1:]
backend = LocalBackend(logs=home + "/logs", scratch=home)
backend.submit([Step(id="s", name="s", argv=("sleep", "1000"), cwd=home,
                     inputs=(Input(source=url, target=home + "/in"),))])
for event in iter(lambda: next(backend.events(), None), None):
    print(type(event).__name__, flush=True)
"""


def test_what_a_killed_one_held_is_removed_by_the_next(
    apache: Apache, home: Path, held: Callable[[], list[Path]], tmp_path: Path
) -> None:
    (apache.root / "f").write_text("x\n")
    words = [sys.executable, "-c", KILLED, apache.url("f"), str(home)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert any(line == "Started\n" for line in process.stdout)
        process.send_signal(signal.SIGKILL)
    assert held() != []
    (home / "in").unlink()
    with LocalBackend(logs=str(tmp_path / "logs"), scratch=str(home)) as backend:
        fine = Input(source=apache.url("f"), target=f"{home}/in")
        backend.submit([step("s", "cat in", home, inputs=(fine,))])
        result = Followed().finish(backend).results["s"]
    assert result.ok, result.reason
    assert sum(request.method == "GET" for request in apache.requests()) == 1
