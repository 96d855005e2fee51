"""Steps on this machine: what comes back, how many at once, who may start, who is ended."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dodas.backend import Finished, Queued, Started
from dodas.backends.logs import folder
from dodas.errors import SpecError
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


def test_memory_that_is_only_set_aside_ends_nobody(make: Make, run: Run) -> None:
    aside = hog("aside", "own", 60, 1, "0.5", 16)
    aside = replace(aside, resources=Resources(memory=16 * MIB, memory_is_limit=False))
    result = run(make(), [aside]).results["aside"]
    assert result.ok, result.reason


def test_a_stream_that_cannot_be_written(make: Make, run: Run, tmp_path: Path) -> None:
    result = run(make(), [sh("s", "true", stdout=str(tmp_path / "absent/out"))]).results["s"]
    assert result.failure is Failure.CONTAINER
    assert "absent/out" in result.reason


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
        ({"inputs": (Input(source="ftp://example.org/a", target="/a"),)}, "ftp://example.org/a"),
        ({"outputs": (Output(path="a", destination="/b"),)}, "brought to /b"),
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
