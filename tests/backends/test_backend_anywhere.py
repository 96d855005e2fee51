"""What a step does and what is told of it is the same wherever it runs."""

from __future__ import annotations

import os
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import smallimage
from backend_kinds import Anywhere
from dodas.backend import Finished, Queued, Started
from dodas.errors import BackendError, SpecError
from dodas.step import MIB, Failure, Mount, Output, Resources, Step
from local_runs import Followed

PATH = (("PATH", "/usr/bin:/bin"),)
HOSTILE = (
    "a/../../escape",
    "..",
    ".",
    "-rf",
    "x" * 200,
    "new\nline",
    "quote'\"$(touch x)`",
    "Schöne Äpfel",
    "\N{SNOWMAN}\udcff",
    "a b",
    "a-b",
    "%s{}\\",
    "$(x);, $ENV(HOME)",
)


def sh(step_id: str, script: str, **fields: Any) -> Step:
    return Step(id=step_id, name=step_id, argv=("sh", "-c", script), env=PATH, **{"cwd": "/", **fields})


def test_how_commands_end(anywhere: Anywhere) -> None:
    results = anywhere.run(
        [
            sh("good", "echo out; echo err >&2"),
            sh("bad", "exit 3"),
            sh("killed", "kill -SEGV $$"),
            Step(id="absent", name="absent", argv=("no-such-command",), env=PATH, cwd="/"),
            sh("temporary", "exit 75"),
        ]
    ).results
    good = results["good"]
    assert (good.ok, good.exit_code, good.signal, good.reason) == (True, 0, None, "")
    assert Path(good.stdout or "").read_text() == "out\n"
    assert Path(good.stderr or "").read_text() == "err\n"
    assert (good.engine, good.image_digest) == ("host", None)
    assert good.node
    assert good.usage.wall > 0
    assert good.usage.peak_memory > 100_000
    failed = {key: (r.failure, r.exit_code, r.signal) for key, r in results.items() if key != "good"}
    assert failed == {
        "bad": (Failure.TOOL, 3, None),
        "killed": (Failure.TOOL, 139, 11),
        "absent": (Failure.TOOL, 127, None),
        "temporary": (Failure.TOOL, 75, None),
    }
    assert results["bad"].reason == "exit status 3"
    assert "SIGSEGV" in results["killed"].reason
    assert "'no-such-command'" in results["absent"].reason


def test_streams_go_where_the_step_says(anywhere: Anywhere, tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(b"\0\xff\r\n")
    results = anywhere.run(
        [
            sh("a", "cat; echo err >&2", stdin=str(tmp_path / "in"), stdout=str(tmp_path / "out $x,;")),
            sh("b", "echo 1", stdout=str(tmp_path / "same"), stderr=str(tmp_path / "other")),
        ]
    ).results
    assert (tmp_path / "out $x,;").read_bytes() == b"\0\xff\r\n"
    assert results["a"].stdout == str(tmp_path / "out $x,;")
    assert Path(results["a"].stderr or "").read_text() == "err\n"
    assert (tmp_path / "same").read_text() == "1\n"
    assert (tmp_path / "other").read_text() == ""


@pytest.mark.parametrize("image", [None, smallimage.NAME], ids=["host", "container"])
def test_a_directory_of_the_steps_own_is_as_the_step_left_it(
    anywhere: Anywhere, small_store: str, tmp_path: Path, image: str | None
) -> None:
    home = tmp_path / "home of, it;"
    (home / "old").mkdir(parents=True)
    (home / "old" / "file").write_text("old\n")
    (home / "gone").write_text("x")
    target = str(home) if image is None else "/work"
    script = (
        "cat old/file > new; rm gone; mkdir -p 'a b/empty'; : > 'a b/none'; chmod 700 new; ln -s new link"
    )
    step = sh("s", script, image=image, cwd=target,
              mounts=(Mount(source=str(home), target=target, writable=True),))  # fmt: skip
    result = anywhere.run([step], store=small_store).results["s"]
    assert result.ok, result.reason
    assert sorted(os.listdir(home)) == ["a b", "link", "new", "old"]
    assert (home / "new").read_text() == "old\n"
    assert (home / "new").stat().st_mode & 0o777 == 0o700
    assert (home / "a b" / "empty").is_dir()
    assert (home / "a b" / "none").stat().st_size == 0
    assert os.readlink(home / "link") == "new"


def test_of_a_view_come_the_outputs_and_nothing_else(anywhere: Anywhere, tmp_path: Path) -> None:
    from dodas.step import Input

    (tmp_path / "given").write_text("given\n")
    view = Mount(source=str(tmp_path), target=str(tmp_path), writable=True, whole=False)
    made = str(tmp_path / "d/made")
    step = sh(
        "s",
        "mkdir -p d; cat given > d/made",
        cwd=str(tmp_path),
        mounts=(view,),
        inputs=(Input(source=str(tmp_path / "given"), target=str(tmp_path / "given")),),
        outputs=(Output(path=made, destination=made),),
    )
    result = anywhere.run([step]).results["s"]
    assert result.ok, result.reason
    assert Path(made).read_text() == "given\n"


def test_events_come_in_order_and_end_once(anywhere: Anywhere) -> None:
    told = anywhere.run([sh(f"s{number}", "true") for number in range(10)])
    for number in range(10):
        kinds = [type(event) for event in told.events if event.step == f"s{number}"]
        assert kinds[0] is Queued
        assert kinds[-1] is Finished
        assert kinds.count(Started) == 1
    times = [event.time for event in told.events if not isinstance(event, Queued)]
    assert times == sorted(times)


def test_nothing_under_way_is_said_at_once(anywhere: Anywhere) -> None:
    assert list(anywhere.make().events(None)) == []


def test_an_id_is_taken_once(anywhere: Anywhere) -> None:
    backend = anywhere.make()
    backend.submit([sh("one", "true")])
    with pytest.raises(SpecError, match="'one'"):
        backend.submit([sh("two", "true"), sh("one", "true")])
    with pytest.raises(SpecError, match="'three'"):
        backend.submit([sh("three", "true"), sh("three", "true")])
    backend.submit([sh("two", "true")])
    results = Followed().finish(backend).results
    assert results["one"].ok
    assert results["two"].ok


def test_cancel_reaches_steps_that_wait_and_that_run(
    anywhere: Anywhere, followed: Followed, mark: str
) -> None:
    backend = anywhere.make()
    many = Resources(cores=anywhere.cores)
    backend.submit([sh("runs", f"sleep {mark}", resources=many)])
    followed.until(backend, lambda event: isinstance(event, Started))
    backend.submit([sh("waits", "true", resources=many), sh("stays", "true", resources=many)])
    for _ in range(3):
        backend.cancel(["runs", "waits", "unknown"])
    results = followed.finish(backend).results
    assert results["runs"].failure is results["waits"].failure is Failure.CANCELLED
    assert results["runs"].exit_code is None
    assert results["stays"].ok
    backend.cancel(["runs", "stays"])
    assert list(backend.events(0)) == []


def test_the_time_limit_ends_the_whole_tree(anywhere: Anywhere, mark: str) -> None:
    limit = Resources(walltime=timedelta(seconds=0.3))
    script = f"(setsid sleep {mark} &); sleep {mark} & sleep {mark}"
    result = anywhere.run([sh("long", script, resources=limit)]).results["long"]
    assert result.failure is Failure.LIMIT
    assert "0.30 s" in result.reason


def test_the_memory_limit_ends_the_step(anywhere: Anywhere, mark: str) -> None:
    script = f"x=$(head -c 150000000 /dev/zero | tr '\\0' a); sleep {mark}"
    asked = Resources(memory=60 * MIB)
    result = anywhere.run([sh("big", script, resources=asked)], **anywhere.without_retries).results["big"]
    assert result.failure is Failure.LIMIT
    assert "60.0 MiB" in result.reason


def test_hostile_ids_have_their_own_folders(anywhere: Anywhere, tmp_path: Path) -> None:
    results = anywhere.run([sh(key, 'echo "$0"; pwd') for key in HOSTILE]).results
    assert {key: result.reason for key, result in results.items()} == dict.fromkeys(HOSTILE, "")
    places = {Path(result.stdout or "").parent for result in results.values()}
    assert len(places) == len(HOSTILE)
    assert all(place.parent == tmp_path / "logs" and len(place.name) <= 64 for place in places)


def test_closing_ends_everything_and_the_events_can_still_be_read(
    anywhere: Anywhere, followed: Followed, mark: str
) -> None:
    backend = anywhere.make()
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


def test_all_verbs_from_many_threads(anywhere: Anywhere) -> None:
    backend = anywhere.make()
    finished: list[str] = []

    def submit(name: str) -> None:
        backend.submit([sh(f"{name}{number}", "true") for number in range(5)])
        for event in backend.events(60):
            if isinstance(event, Finished):
                finished.append(event.step)

    threads = [threading.Thread(target=submit, args=(f"t{number}-",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    while batch := list(backend.events(60)):
        finished += [event.step for event in batch if isinstance(event, Finished)]
    assert len(finished) == len(set(finished)) == 20
