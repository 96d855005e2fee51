"""Images are prepared once, whoever asks; one that cannot be had fails its own steps only."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import smallimage
from dodas.backend import Finished, Preparing, Queued, Started
from dodas.containers import locks
from dodas.containers.prepare import prepare
from dodas.containers.store import Store
from dodas.step import Failure, Mount, Step
from local_runs import Followed, Make

Run = Callable[..., Followed]


def inside(step_id: str, script: str, **fields: Any) -> Step:
    values = {"image": smallimage.NAME, **fields}
    return Step(id=step_id, name=step_id, argv=("sh", "-c", script), **values)


@pytest.fixture
def fresh_store(tmp_path: Path) -> str:
    """A store in which the small image is not unpacked."""
    smallimage.fill(str(tmp_path / "store"), tmp_path)
    return str(tmp_path / "store")


def test_two_hundred_steps_on_an_image_that_is_not_prepared(make: Make, run: Run, fresh_store: str) -> None:
    backend = make(store=fresh_store, pull="never", cores=8)
    told = run(backend, [inside(f"s{number}", f"cat /marker; echo {number}") for number in range(200)])
    assert [result for result in told.results.values() if not result.ok] == []
    digests = {result.image_digest for result in told.results.values()}
    assert len(digests) == 1
    assert (digests.pop() or "").startswith("sha256:")
    for number in range(200):
        assert Path(told.results[f"s{number}"].stdout or "").read_text() == f"image\n{number}\n"
    kinds = [type(event) for event in told.events if event.step == "s199"]
    assert kinds[0] is Queued
    assert set(kinds[1:-2]) == {Preparing}
    assert kinds[-2:] == [Started, Finished]
    containers = [name for name in os.listdir(Path(fresh_store, "containers")) if "-" in name]
    assert len({os.path.realpath(Path(fresh_store, "containers", name)) for name in containers}) == 1


def test_an_image_that_cannot_be_had_fails_its_own_steps(make: Make, run: Run, small_store: str) -> None:
    steps = [
        inside("good", "true"),
        inside("bad1", "true", image="localhost:1/absent:1"),
        inside("bad2", "true", image="localhost:1/absent:1"),
        inside("host", "true", image=None, env=(("PATH", os.environ["PATH"]),)),
        inside("nonsense", "true", image="//::"),
    ]
    results = run(make(store=small_store, pull="never"), steps).results
    assert results["good"].ok, results["good"].reason
    assert results["host"].ok, results["host"].reason
    for key in ("bad1", "bad2"):
        assert results[key].failure is Failure.CONTAINER
        assert "localhost:1/absent" in results[key].reason
        assert ";" in results[key].reason, "what to do about it"
    assert results["nonsense"].failure is Failure.CONTAINER


def test_an_engine_that_does_not_exist_is_said_by_the_step(make: Make, run: Run, small_store: str) -> None:
    results = run(make(store=small_store, engine="teleport"), [inside("s", "true")]).results
    assert results["s"].failure is Failure.CONTAINER
    assert "teleport" in results["s"].reason


def test_the_host_is_no_engine_for_images(make: Make, run: Run, small_store: str) -> None:
    results = run(make(store=small_store, engine="host"), [inside("s", "true")]).results
    assert results["s"].failure is Failure.CONTAINER
    assert "host" in results["s"].reason


def test_the_collector_is_kept_away_while_the_backend_lives(make: Make, run: Run, small_store: str) -> None:
    backend = make(store=small_store, pull="never")
    lock = prepare(Store(small_store), smallimage.NAME, pull="never").lock
    assert not locks.is_held(lock)
    assert run(backend, [inside("s", "true")]).results["s"].ok
    assert locks.is_held(lock)
    backend.close()
    assert not locks.is_held(lock)


def test_what_a_step_sees(make: Make, run: Run, small_store: str, tmp_path: Path) -> None:
    (tmp_path / "in: put").write_text("given\n")
    (tmp_path / "out").mkdir()
    step = inside(
        "s",
        'cat "/data/in: put"; pwd; echo "$A"; echo "$PATH"; touch /marker2 /out/made;'
        ' echo x > "/data/in: put"; true',
        env=(("A", " 'v'\n"), ("PATH", "/bin")),
        cwd="/work/here",
        mounts=(
            Mount(source=str(tmp_path / "in: put"), target="/data/in: put"),
            Mount(source=str(tmp_path / "out"), target="/out", writable=True),
        ),
    )
    results = run(make(store=small_store, pull="never"), [step, inside("t", "ls /marker2")]).results
    assert Path(results["s"].stdout or "").read_text() == "given\n/work/here\n 'v'\n\n/bin\n"
    assert (tmp_path / "out/made").exists()
    assert (tmp_path / "out/made").stat().st_uid == os.geteuid()
    assert (tmp_path / "in: put").read_text() == "given\n"
    assert not results["t"].ok


def test_a_network_that_cannot_be_taken_away_is_said_once(
    make: Make, run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    path = (("PATH", os.environ["PATH"]),)
    steps = [inside(f"s{number}", "true", image=None, network=False, env=path) for number in range(3)]
    with caplog.at_level(logging.WARNING, logger="dodas"):
        results = run(make(), steps).results
    assert all(result.ok for result in results.values())
    assert len([record for record in caplog.records if "network" in record.getMessage()]) == 1


def test_closing_while_an_image_is_prepared(make: Make, followed: Followed, fresh_store: str) -> None:
    backend = make(store=fresh_store, pull="never")
    backend.submit([inside(f"s{number}", "true") for number in range(5)])
    backend.close()
    results = followed.finish(backend).results
    assert len(results) == 5
    assert all(result.ok or result.failure is Failure.CANCELLED for result in results.values())
