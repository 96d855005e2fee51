"""Whatever dies, is held or is removed: no step is lost, and none that had finished runs twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import smallimage
from dodas.backend import Event, Finished, Preparing, Started
from dodas.pool.access import bindings
from dodas.step import Failure, Mount, Output, Step
from htcondor_runs import Place, wait_for, worker_of
from local_runs import Followed

PATH = (("PATH", "/usr/bin:/bin"),)


def sh(step_id: str, script: str, **fields: Any) -> Step:
    return Step(id=step_id, name=step_id, argv=("sh", "-c", script), env=PATH, **{"cwd": "/", **fields})


def counting(step_id: str, folder: Path, script: str) -> Step:
    """A step that says in a file of its own that it ran; it is the same in every life."""
    home = folder / step_id
    home.mkdir(exist_ok=True)
    return sh(
        step_id,
        f"{script}; echo ran >> made",
        cwd=str(home),
        mounts=(Mount(source=str(home), target=str(home), writable=True, whole=True),),
        identity=f"the work {step_id}",
    )


def started(step_id: str) -> Callable[[Event], bool]:
    return lambda event: isinstance(event, Started) and event.step == step_id


def finished(step_id: str) -> Callable[[Event], bool]:
    return lambda event: isinstance(event, Finished) and event.step == step_id


def said(words: str) -> Callable[[Event], bool]:
    return lambda event: isinstance(event, Preparing) and words in event.what


def act(action: str, constraint: str) -> None:
    """Do to jobs what somebody else might."""
    condor = bindings()
    condor.Schedd().act(getattr(condor.JobAction, action), constraint, reason=("somebody else", 0))


def test_a_worker_that_is_killed_is_replaced(place: Place, followed: Followed, mark: str) -> None:
    backend = place.backend()
    backend.submit([sh("s", f": {mark}; sleep 5")])
    followed.until(backend, started("s"))
    worker_of(smallimage.wait_for_marked(mark)[-1]).kill()
    followed.until(backend, said("tried again"))
    result = followed.finish(backend).results["s"]
    assert result.ok, result.reason


def test_a_killed_startd_costs_no_step(place: Place, followed: Followed, tmp_path: Path) -> None:
    backend = place.backend(defaults={"job_lease_duration": "20"})
    backend.submit([counting("s", tmp_path, "sleep 3")])
    followed.until(backend, started("s"))
    place.daemon("condor_startd").kill()
    result = followed.finish(backend).results["s"]
    assert result.ok, result.reason
    assert (tmp_path / "s" / "made").read_text() in ("ran\n", "ran\nran\n")


def test_a_killed_schedd_costs_nothing(place: Place, followed: Followed, tmp_path: Path) -> None:
    backend = place.backend()
    backend.submit([counting("first", tmp_path, "sleep 5")])
    followed.until(backend, started("first"))
    schedd = place.daemon("condor_schedd")
    schedd.kill()
    backend.submit([counting("second", tmp_path, "true")])
    results = followed.finish(backend).results
    assert {key: result.reason for key, result in results.items()} == {"first": "", "second": ""}
    assert (tmp_path / "first" / "made").read_text() == "ran\n"
    assert (tmp_path / "second" / "made").read_text() == "ran\n"


def test_a_run_begins_while_the_schedd_starts_again(place: Place, followed: Followed) -> None:
    place.daemon("condor_schedd").kill()
    backend = place.backend()
    backend.submit([sh("s", "true")])
    result = followed.finish(backend).results["s"]
    assert result.ok, result.reason


PROGRAM = """
import os, sys
sys.path[:0] = [sys.argv[2]]
from pathlib import Path
from dodas.backend import Finished, Started
from dodas.backends.htcondor import HtcondorBackend
from test_htcondor_faults import counting

pool, _, base = sys.argv[1:4]
backend = HtcondorBackend(pool=pool, run=base + "/run", logs=base + "/logs", bundle=None)
scripts = {"quick": "true", "away": "sleep 3", "long": "sleep 8"}
backend.submit([counting(key, Path(base), script) for key, script in scripts.items()])
begun, ended = set(), set()
while not (begun >= {"away", "long"} and ended):
    for event in backend.events(60):
        begun |= {event.step} if isinstance(event, Started) else set()
        ended |= {event.step} if isinstance(event, Finished) else set()
os.kill(os.getpid(), 9)
"""


def test_dodas_is_killed_and_the_same_command_takes_up_its_work(
    place: Place, followed: Followed, tmp_path: Path
) -> None:
    here = os.path.dirname(__file__)
    search = os.pathsep.join([here, *sys.path])
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, place.pool, here, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": search},
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    backend = place.backend()
    scripts = {"quick": "true", "away": "sleep 3", "long": "sleep 8", "new": "true"}
    steps = [counting(key, tmp_path, script) for key, script in scripts.items()]
    assert backend.known(steps) == {"quick", "away", "long"}
    backend.submit(steps)
    results = followed.finish(backend).results
    assert {key: result.reason for key, result in results.items()} == dict.fromkeys(scripts, "")
    for key in scripts:
        assert (tmp_path / key / "made").read_text() == "ran\n", key
    assert backend.known(steps) == frozenset()


def test_work_goes_to_the_places_of_the_life_that_asks_for_it(place: Place, tmp_path: Path) -> None:
    def step(life: str) -> Step:
        home = tmp_path / life
        home.mkdir()
        return sh(
            f"{life}-s",
            "mkdir d; echo x > d/f; echo said",
            cwd=str(home),
            mounts=(Mount(source=str(home), target=str(home), writable=True),),
            stdout=str(home / "said"),
            identity="the same",
        )

    first = place.backend()
    first.submit([step("one")])
    assert Followed().finish(first).results["one-s"].ok
    first.close(keep=True)
    second = place.backend()
    second.submit([step("two")])
    told = Followed().finish(second)
    assert told.results["two-s"].ok, told.results["two-s"].reason
    assert not any(isinstance(event, Started) for event in told.events)
    assert (tmp_path / "two/d/f").read_text() == "x\n"
    assert (tmp_path / "two/said").read_text() == "said\n"


def test_a_job_that_somebody_removes(place: Place, followed: Followed, mark: str) -> None:
    backend = place.backend()
    backend.submit([sh("s", f"sleep {mark}"), sh("other", "true")])
    followed.until(backend, started("s"))
    act("Remove", 'DodasName == "s"')
    results = followed.finish(backend).results
    assert results["s"].failure is Failure.CANCELLED
    assert "somebody else" in results["s"].reason
    assert results["other"].ok


def test_a_job_that_somebody_holds_is_released_in_time(
    place: Place, followed: Followed, tmp_path: Path
) -> None:
    backend = place.backend()
    backend.submit([counting("s", tmp_path, "test -e flag || { touch flag; sleep 1; }; sleep 1")])
    followed.until(backend, started("s"))
    act("Hold", 'DodasName == "s"')
    held = followed.until(backend, said("held"))
    assert isinstance(held, Preparing)
    assert "somebody held it with condor_hold" in held.what
    assert followed.finish(backend).results["s"].ok


def test_held_jobs_fail_if_the_user_wants_that(shared_place: Place, followed: Followed, mark: str) -> None:
    backend = shared_place.backend(on_hold="fail")
    backend.submit([sh("s", f"sleep {mark}")])
    followed.until(backend, started("s"))
    act("Hold", 'DodasName == "s"')
    result = followed.finish(backend).results["s"]
    assert result.failure is Failure.LOST
    assert "somebody held it" in result.reason


def test_an_output_that_was_not_made(place: Place, followed: Followed, tmp_path: Path) -> None:
    backend = place.backend()
    absent = str(tmp_path / "absent")
    mounts = (Mount(source=str(tmp_path), target=str(tmp_path), writable=True, whole=False),)
    step = sh(
        "s",
        "true",
        cwd=str(tmp_path),
        mounts=mounts,
        outputs=(Output(path=absent, destination=absent),),
    )
    backend.submit([step])
    result = followed.finish(backend).results["s"]
    assert result.failure is Failure.STAGE_OUT
    assert "absent" in result.reason


def test_an_image_that_does_not_exist(place: Place, followed: Followed, tmp_path: Path) -> None:
    backend = place.backend(pull="never", retries=0)
    backend.submit([sh("s", "true", image="example.org/no/such:image")])
    result = followed.finish(backend).results["s"]
    assert result.failure is Failure.CONTAINER
    assert "example.org/no/such" in result.reason


def test_closing_removes_the_jobs_and_the_directory(place: Place, followed: Followed, mark: str) -> None:
    backend = place.backend()
    backend.submit([sh("good", "true")])
    assert followed.finish(backend).results["good"].ok
    backend.close()
    assert not place.run.exists()
    backend = place.backend()
    backend.submit([sh(f"s{number}", f"sleep {mark}") for number in range(6)])
    followed.until(backend, lambda event: isinstance(event, Started))
    backend.close()
    smallimage.assert_gone(mark)
    results = followed.finish(backend).results
    assert {results[f"s{number}"].failure for number in range(6)} == {Failure.CANCELLED}
    assert wait_for(lambda: not bindings().Schedd().query('regexp("dodas", JobBatchName)'), "an empty queue")


def test_a_pool_that_was_made_anew_is_no_confusion(
    shared_place: Place, followed: Followed, tmp_path: Path
) -> None:
    """Its jobs have numbers that the event log has seen before."""
    first = shared_place.backend()
    first.submit([counting("a", tmp_path, "true")])
    assert Followed(patience=150).finish(first).results["a"].ok
    first.close(keep=True)
    log = shared_place.run / "events.log"
    [before] = {line.split()[1] for line in log.read_text().splitlines() if line.startswith("000 (")}
    cluster = int(before[1:].split(".")[0])
    # As if the next job had had its number in a pool that is no more, and had failed there.
    with log.open("a") as file:
        file.write(f"000 ({cluster + 1:03}.000.000) 2026-01-01 00:00:00 Job submitted from host: <x>\n...\n")
        file.write(f"009 ({cluster + 1:03}.000.000) 2026-01-01 00:00:00 Job was aborted.\n\tgone\n...\n")
    second = shared_place.backend()
    second.submit([counting("a", tmp_path, "true"), counting("b", tmp_path, "true")])
    results = followed.finish(second).results
    assert {key: result.reason for key, result in results.items()} == {"a": "", "b": ""}
    assert (tmp_path / "a/made").read_text() == (tmp_path / "b/made").read_text() == "ran\n"
