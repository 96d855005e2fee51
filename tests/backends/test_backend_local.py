"""Steps on this machine: what comes back, how many at once, who may start, who is ended."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import smallimage
from dodas.backend import Finished, Queued, Started
from dodas.backends.logs import folder
from dodas.errors import BackendError, SpecError
from dodas.step import MIB, Failure, Input, Mount, Output, Resources, Step
from local_runs import Followed, Make

Run = Callable[..., Followed]
PATH = (("PATH", "/usr/bin:/bin"),)
# Allocates MiB in each of COUNT processes, or shares MiB among them, then sleeps.
HOG = """
import mmap, os, sys, time
how, size, count = sys.argv[1], int(sys.argv[2]) << 20, int(sys.argv[3])
block = bytearray(os.urandom(1 << 20) * (size >> 20)) if how == "shared" else b""
for _ in range(count - 1):
    if os.fork() == 0:
        break
mine = b"" if block else bytearray(os.urandom(1 << 20) * (size >> 20))
sum(block[::4096])
time.sleep(float(sys.argv[4]))
"""


def sh(step_id: str, script: str, **fields: Any) -> Step:
    return Step(id=step_id, name=step_id, argv=("sh", "-c", script), env=PATH, **fields)


def hog(step_id: str, how: str, mebibytes: int, count: int, seconds: str, limit: int) -> Step:
    words = (sys.executable, "-I", "-S", "-c", HOG, how, str(mebibytes), str(count), seconds)
    return Step(id=step_id, name=step_id, argv=words, env=PATH, resources=Resources(memory=limit * MIB))


def test_how_commands_end(make: Make, run: Run) -> None:
    steps = [
        sh("good", "echo out; echo err >&2"),
        sh("bad", "exit 3"),
        sh("killed", "kill -SEGV $$"),
        Step(id="absent", name="absent", argv=("no-such-command",), env=PATH),
        sh("pretends", "exit 137"),
    ]
    results = run(make(), steps).results
    good = results["good"]
    assert (good.ok, good.exit_code, good.signal, good.reason) == (True, 0, None, "")
    assert good.stdout is not None
    assert good.stderr is not None
    assert Path(good.stdout).read_text() == "out\n"
    assert Path(good.stderr).read_text() == "err\n"
    assert (good.node, good.engine, good.image_digest) == (os.uname().nodename, "host", None)
    assert good.usage.wall > 0
    assert good.usage.cpu > 0
    assert good.usage.peak_memory > 100_000
    assert good.usage.written >= 8
    failed = {key: (r.failure, r.exit_code, r.signal) for key, r in results.items() if key != "good"}
    assert failed == {
        "bad": (Failure.TOOL, 3, None),
        "killed": (Failure.TOOL, 139, 11),
        "absent": (Failure.TOOL, 127, None),
        "pretends": (Failure.TOOL, 137, None),
    }
    assert results["bad"].reason == "exit status 3"
    assert "SIGSEGV" in results["killed"].reason
    assert "'no-such-command'" in results["absent"].reason


def test_memory_that_is_only_set_aside_ends_nobody(make: Make, run: Run) -> None:
    aside = hog("aside", "own", 60, 1, "0.5", 16)
    aside = replace(aside, resources=Resources(memory=16 * MIB, memory_is_limit=False))
    result = run(make(), [aside]).results["aside"]
    assert result.ok, result.reason


def test_streams_go_where_the_step_says(make: Make, run: Run, tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(b"\0\xff\r\n")
    both = str(tmp_path / "both")
    results = run(
        make(),
        [
            sh("a", "cat", stdin=str(tmp_path / "in"), stdout=str(tmp_path / "out")),
            sh("b", "echo 1; echo 2 >&2; echo 3", stdout=both, stderr=both),
            sh("c", "true", stdout=str(tmp_path / "absent/out")),
        ],
    ).results
    assert (tmp_path / "out").read_bytes() == b"\0\xff\r\n"
    assert results["a"].stdout == str(tmp_path / "out")
    assert Path(both).read_text() == "1\n2\n3\n"
    assert results["c"].failure is Failure.CONTAINER
    assert "absent/out" in results["c"].reason


def test_the_cores_are_never_oversubscribed(make: Make, run: Run) -> None:
    wanted = {f"s{number}": (0.5, 1.0, 2.5, 3.0)[number % 4] for number in range(60)}
    steps = [
        sh(key, "date +%s%N; sleep 0.03; date +%s%N", resources=Resources(cores=cores))
        for key, cores in wanted.items()
    ]
    results = run(make(cores=3.0), steps).results
    changes = []
    for key, result in results.items():
        assert result.ok, result.reason
        begin, end = map(int, Path(result.stdout or "").read_text().split())
        changes += [(begin, wanted[key]), (end, -wanted[key])]
    used = highest = 0.0
    for _, change in sorted(changes):
        used += change
        highest = max(highest, used)
    assert 2.5 <= highest <= 3.0


def test_events_come_in_order_and_end_once(make: Make, run: Run) -> None:
    told = run(make(cores=2), [sh(f"s{number}", "true") for number in range(20)])
    for number in range(20):
        kinds = [type(event) for event in told.events if event.step == f"s{number}"]
        assert kinds == [Queued, Started, Finished]
    times = [event.time for event in told.events if not isinstance(event, Queued)]
    assert times == sorted(times)


def test_nothing_under_way_is_said_at_once(make: Make) -> None:
    assert list(make().events(None)) == []


def test_waiting_for_events_ends_in_time(make: Make, mark: str) -> None:
    backend = make()
    backend.submit([sh("s", f"sleep {mark}")])
    while list(backend.events(0.2)):
        pass
    assert list(backend.events(0)) == []


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"resources": Resources(cores=2.01)}, "2.01 cores"),
        ({"resources": Resources(memory=101 * MIB)}, "101 MiB"),
        ({"resources": Resources(gpus=1)}, "1 GPU"),
        ({"inputs": (Input(source="https://example.org/a", target="/a"),)}, "https://example.org/a"),
        ({"outputs": (Output(path="a", destination="/b"),)}, "brought out"),
        ({"mounts": (Mount(source="/usr", target="/opt"),)}, "/usr"),
    ],
)
def test_what_can_never_run_is_refused_with_all_that_came_with_it(
    make: Make, run: Run, fields: dict[str, Any], word: str
) -> None:
    backend = make(cores=2, memory=100 * MIB, gpus=0)
    with pytest.raises(SpecError, match=word) as caught:
        backend.submit([sh("fits", "true"), sh("never", "true", **fields)])
    assert caught.value.hint
    assert list(backend.events(0)) == []
    assert run(backend, [sh("fits", "true")]).results["fits"].ok


def test_an_id_is_taken_once(make: Make, run: Run) -> None:
    backend = make()
    assert run(backend, [sh("one", "true")]).results["one"].ok
    with pytest.raises(SpecError, match="'one'"):
        backend.submit([sh("two", "true"), sh("one", "true")])
    with pytest.raises(SpecError, match="'three'"):
        backend.submit([sh("three", "true"), sh("three", "true")])
    assert run(backend, [sh("two", "true")]).results["two"].ok


def test_cancel_reaches_steps_that_wait_and_that_run(make: Make, followed: Followed, mark: str) -> None:
    backend = make(cores=1)
    backend.submit([sh("runs", f"sleep {mark}"), sh("waits", "true"), sh("stays", "true")])
    followed.until(backend, lambda event: isinstance(event, Started))
    for _ in range(3):
        backend.cancel(["runs", "waits", "unknown"])
    results = followed.finish(backend).results
    assert results["runs"].failure is results["waits"].failure is Failure.CANCELLED
    assert results["runs"].exit_code is None
    assert results["stays"].ok
    backend.cancel(["runs", "stays"])
    assert list(backend.events(0)) == []


def test_the_time_limit_ends_the_whole_tree(make: Make, run: Run, mark: str) -> None:
    limit = Resources(walltime=timedelta(seconds=0.3))
    script = f"(setsid sleep {mark} &); sleep {mark} & sleep {mark}"
    result = run(make(), [sh("long", script, resources=limit)]).results["long"]
    assert result.failure is Failure.LIMIT
    assert "0.30 s" in result.reason
    assert result.usage.wall >= 0.3


def test_the_memory_limit_is_for_the_whole_tree(make: Make, run: Run) -> None:
    backend = make(cores=3, memory=1024 * MIB)
    steps = [
        hog("tree", "own", 40, 4, "1000", 100),
        hog("within", "own", 20, 3, "0.5", 150),
        # Pages that children share with their parent are there once, whatever each process's size is.
        hog("shared", "shared", 60, 4, "0.7", 150),
    ]
    results = run(backend, steps).results
    assert results["tree"].failure is Failure.LIMIT
    assert "100 MiB" in results["tree"].reason
    assert results["tree"].usage.peak_memory > 100 * MIB
    assert results["within"].ok, results["within"].reason
    assert 60 * MIB < results["within"].usage.peak_memory < 150 * MIB
    assert results["shared"].ok, results["shared"].reason


HOSTILE = (
    "a/../../escape",
    "..",
    ".",
    "-rf",
    "x" * 200,
    "x" * 199 + "y",
    "new\nline",
    "quote'\"$(touch x)`",
    "Schöne Äpfel",
    "\N{SNOWMAN}\udcff",
    "a b",
    "a-b",
    "%s{}\\",
    "CON",
    "/",
)


def test_hostile_ids_have_their_own_folders(make: Make, run: Run, tmp_path: Path) -> None:
    results = run(make(), [sh(key, 'echo "$0"; pwd') for key in HOSTILE]).results
    logs = tmp_path / "logs"
    places = {Path(result.stdout or "").parent for result in results.values() if result.ok}
    assert len(places) == len(HOSTILE)
    assert all(place.parent == logs and len(place.name) <= 64 for place in places)
    assert {place.name for place in places} == set(os.listdir(logs))


def test_simple_ids_are_kept() -> None:
    assert folder("align.sample_1-2") == "align.sample_1-2"
    assert folder("a b").startswith("a-b-")
    assert folder("a b") != folder("a/b")


def test_ten_thousand_steps_need_no_thread_each(make: Make, followed: Followed, mark: str) -> None:
    backend = make(cores=1)
    before = threading.active_count()
    backend.submit([sh("first", f"sleep {mark}"), *(sh(f"s{number}", "true") for number in range(9_999))])
    followed.until(backend, lambda event: isinstance(event, Started))
    assert threading.active_count() <= before
    backend.cancel(["first", *(f"s{number}" for number in range(9_999))])
    results = followed.finish(backend).results
    assert len(results) == 10_000
    assert {result.failure for result in results.values()} == {Failure.CANCELLED}


def test_closing_ends_everything_and_the_events_can_still_be_read(
    make: Make, followed: Followed, mark: str
) -> None:
    backend = make(cores=2)
    backend.submit([sh(f"s{number}", f"sleep {mark}") for number in range(6)])
    followed.until(backend, lambda event: isinstance(event, Started))
    backend.close()
    smallimage.assert_gone(mark)
    results = followed.finish(backend).results
    assert len(results) == 6
    assert {result.failure for result in results.values()} == {Failure.CANCELLED}
    backend.close()
    backend.cancel(["s0"])
    with pytest.raises(BackendError, match="closed"):
        backend.submit([sh("late", "true")])


def test_all_verbs_from_many_threads(make: Make) -> None:
    backend = make(cores=2)
    finished: list[str] = []

    def submit(name: str) -> None:
        backend.submit([sh(f"{name}{number}", "true") for number in range(10)])
        for event in backend.events(30):
            if isinstance(event, Finished):
                finished.append(event.step)

    threads = [threading.Thread(target=submit, args=(f"t{number}-",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    while batch := list(backend.events(30)):
        finished += [event.step for event in batch if isinstance(event, Finished)]
    assert len(finished) == len(set(finished)) == 40
