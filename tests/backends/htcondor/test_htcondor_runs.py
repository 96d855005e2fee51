"""What only a pool does: bundles, more memory, hints, secrets kept, large outputs, logs afterwards."""

from __future__ import annotations

import json
import os
import resource
import stat
import threading
from pathlib import Path
from typing import Any

import psutil
import pytest

from dodas.backend import Event, Preparing, Started
from dodas.backends.htcondor import bundles
from dodas.cli import main
from dodas.pool.access import bindings
from dodas.step import MIB, Failure, Mount, Resources, Step
from htcondor_runs import Place, wait_for
from local_runs import Followed

PATH = (("PATH", "/usr/bin:/bin"),)


def sh(step_id: str, script: str, **fields: Any) -> Step:
    values = {"name": step_id, "cwd": "/", "env": PATH, **fields}
    return Step(id=step_id, argv=("sh", "-c", script), **values)


def home(path: Path) -> dict[str, Any]:
    path.mkdir(exist_ok=True)
    return {"cwd": str(path), "mounts": (Mount(source=str(path), target=str(path), writable=True),)}


def jobs_of(place: Place) -> set[str]:
    """Return the ids of all jobs that the event log knows."""
    lines = (place.run / "events.log").read_text().splitlines()
    return {line.split()[1] for line in lines if line.startswith("000 (")}


@pytest.mark.parametrize("bundle", ["auto", 10])
def test_short_steps_share_jobs_and_fail_apart(
    place: Place, followed: Followed, tmp_path: Path, bundle: object
) -> None:
    backend = place.backend(bundle=bundle)
    steps = [
        sh(f"s{number}", f"echo {number} > made; test {number} != 33", name=f"make_{number}",
           **home(tmp_path / f"h{number}"))
        for number in range(60)
    ]  # fmt: skip
    backend.submit(steps)
    results = followed.finish(backend).results
    assert {key for key, result in results.items() if not result.ok} == {"s33"}
    assert results["s33"].failure is Failure.TOOL
    assert results["s33"].exit_code == 1
    for number in range(60):
        assert (tmp_path / f"h{number}" / "made").read_text() == f"{number}\n"
    assert len(jobs_of(place)) <= (6 if bundle == 10 else 20)


def jobs_that_gave_back(place: Place) -> int:
    """Return how many jobs told that their node has not begun some of their steps."""
    return (place.run / "events.log").read_text().count("dodas gives back")


def test_long_steps_that_nobody_knew_do_not_wait_for_each_other(
    place: Place, followed: Followed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundles, "_FIRST", 0.5)
    backend = place.backend(bundle="auto")
    backend.submit(
        [
            sh(f"s{number}", "sleep 2; echo ran >> made", name="long", **home(tmp_path / f"h{number}"))
            for number in range(12)
        ]
    )
    results = followed.finish(backend).results
    assert {result.reason for result in results.values()} == {""}
    assert jobs_that_gave_back(place) >= 2
    assert len(jobs_of(place)) > 4
    for number in range(12):
        assert (tmp_path / f"h{number}" / "made").read_text() == "ran\n"


def test_what_a_node_gives_back_while_dodas_is_away_is_run_when_it_returns(
    place: Place, followed: Followed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundles, "_FIRST", 0.5)
    steps = [
        sh(f"s{n}", "sleep 2; echo ran >> made", name="long", identity=f"i{n}", **home(tmp_path / f"h{n}"))
        for n in range(12)
    ]
    backend = place.backend(bundle="auto")
    backend.submit(steps)
    followed.until(backend, lambda event: isinstance(event, Started))
    backend.close(keep=True)
    wait_for(lambda: jobs_that_gave_back(place) >= 2 or None, "jobs that give steps back")
    backend = place.backend(bundle="auto")
    backend.submit(steps)
    results = Followed(patience=150).finish(backend).results
    assert {result.reason for result in results.values()} == {""}
    for number in range(12):
        assert (tmp_path / f"h{number}" / "made").read_text() == "ran\n"


def test_a_bundle_is_cancelled_step_by_step(shared_place: Place, followed: Followed) -> None:
    backend = shared_place.backend(bundle=4)
    backend.submit([sh(f"s{number}", "sleep 1", name="s") for number in range(4)])
    followed.until(backend, lambda event: isinstance(event, Started))
    backend.cancel(["s2"])
    results = followed.finish(backend).results
    assert [results[f"s{number}"].failure for number in range(4)] == [None, None, Failure.CANCELLED, None]


def test_too_little_memory_is_mended(place: Place, followed: Followed) -> None:
    backend = place.backend()
    script = "x=$(head -c 120000000 /dev/zero | tr '\\0' a); sleep 1"
    backend.submit([sh("s", script, resources=Resources(memory=80 * MIB))])

    def grown(event: Event) -> bool:
        return isinstance(event, Preparing) and "2 times the memory" in event.what

    followed.until(backend, grown)
    result = followed.finish(backend).results["s"]
    assert result.ok, result.reason
    assert result.usage.peak_memory > 80 * MIB


def test_a_node_that_cannot_is_not_the_end(shared_place: Place, followed: Followed) -> None:
    backend = shared_place.backend()
    [worker] = shared_place.run.glob("dodas-worker-*")
    worker.rename(shared_place.run / "real")
    worker.write_text(
        f'#!/bin/sh\nmkdir {shared_place.run}/flag && exit 75\nexec {shared_place.run}/real "$@"\n'
    )
    worker.chmod(0o700)
    backend.submit([sh("s", "true")])
    followed.until(backend, lambda event: isinstance(event, Preparing) and "run again" in event.what)
    result = followed.finish(backend).results["s"]
    assert result.ok, result.reason
    assert len(jobs_of(shared_place)) == 1, "HTCondor's own retry"


def test_hints_and_resources_reach_the_job(shared_place: Place, mark: str, followed: Followed) -> None:
    backend = shared_place.backend(defaults={"accounting_group": "group_a", "+Project": '"p"'})
    asked = Resources(cores=1.5, memory=200 * MIB, disk=3 * MIB)
    hints = (("htcondor.priority", "7"), ("htcondor.requirements", "Memory > 1"), ("htcondor.rank", "Mips"))
    backend.submit([sh("a $(x) \"b'", f"sleep {mark}", resources=asked, hints=hints)])
    followed.until(backend, lambda event: isinstance(event, Started))
    [ad] = bindings().Schedd().query("DodasJob =!= undefined")
    wanted = {"RequestCpus": 2, "RequestMemory": 200, "RequestDisk": 3072, "JobPrio": 7, "Project": "p"}
    assert {name: ad.get(name) for name in wanted} == wanted
    assert "Memory > 1" in str(ad["Requirements"])
    assert ad["AcctGroup"] == "group_a"
    assert ad["DodasStep"] == "a %24(x) %22b%27" or "%24" in ad["DodasStep"]


def test_secrets_are_nowhere_but_in_the_order(
    place: Place, followed: Followed, mark: str, capfd: pytest.CaptureFixture[str]
) -> None:
    secret = "hunter2-secret"
    backend = place.backend()
    step = sh("s", f"echo $TOKEN | wc -c; : {secret}; sleep 2", identity="i")
    step = Step(
        **{**{name: getattr(step, name) for name in Step.__slots__}, "env": (*PATH, ("TOKEN", secret))}
    )
    backend.submit([step])
    followed.until(backend, lambda event: isinstance(event, Started))
    ads = bindings().Schedd().query("true")
    assert secret not in "".join(map(str, ads))
    for path in place.run.rglob("*"):
        if path.is_file() and secret.encode() in path.read_bytes():
            assert path.name == "order.json"
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(place.run.stat().st_mode) == 0o700
    result = followed.finish(backend).results["s"]
    assert result.ok, result.reason
    assert Path(result.stdout or "").read_text().strip() == str(len(secret) + 1)
    assert secret not in "".join(capfd.readouterr())
    backend.close(keep=True)
    for path in place.run.rglob("*"):
        assert not path.is_file() or secret.encode() not in path.read_bytes(), "not longer than needed"


@pytest.mark.slow
def test_ten_thousand_steps_are_little_to_carry(shared_place: Place, followed: Followed) -> None:
    backend = shared_place.backend(defaults={"requirements": "false"})
    threads, before = threading.active_count(), psutil.Process().memory_info().rss
    steps = [sh(f"s{number}", "true", identity=f"i{number}") for number in range(10_000)]
    for begin in range(0, 10_000, 500):
        backend.submit(steps[begin : begin + 500])
    wait_for(lambda: len(jobs_of(shared_place)) == 10_000 or None, "all jobs in the queue")
    assert threading.active_count() == threads
    assert psutil.Process().memory_info().rss - before < 100 << 20
    backend.cancel([step.id for step in steps])
    results = followed.finish(backend).results
    assert len(results) == 10_000
    assert {result.failure for result in results.values()} == {Failure.CANCELLED}


@pytest.mark.slow
def test_many_files_and_a_huge_one_come_home(place: Place, followed: Followed, tmp_path: Path) -> None:
    backend = place.backend()
    many = "mkdir d; cd d; i=0; while test $i -lt 5000; do echo $i > f$i; i=$((i+1)); done"
    huge = "dd if=/dev/zero of=huge bs=1 count=0 seek=3G 2>/dev/null; echo end >> huge"
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    backend.submit([sh("many", many, **home(tmp_path / "many")), sh("huge", huge, **home(tmp_path / "huge"))])
    results = followed.finish(backend).results
    assert {key: result.reason for key, result in results.items()} == {"many": "", "huge": ""}
    names = os.listdir(tmp_path / "many/d")
    assert len(names) == 5000
    assert all((tmp_path / "many/d" / f"f{n}").read_text() == f"{n}\n" for n in (0, 2500, 4999))
    assert (tmp_path / "huge/huge").stat().st_size == (3 << 30) + 4
    (tmp_path / "huge/huge").unlink()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 60 << 10  # KiB


def test_what_failed_can_be_looked_at_afterwards(
    place: Place, followed: Followed, capsys: pytest.CaptureFixture[str]
) -> None:
    backend = place.backend()
    backend.submit([sh("good", "echo fine"), sh("bad", "echo why >&2; exit 3", name="the bad one")])
    followed.finish(backend)
    backend.close()
    assert main(["logs", "the bad one"]) == 0
    said = capsys.readouterr().out
    assert "exit status 3" in said
    assert "    why" in said
    assert main(["logs", str(place.run), "--json"]) == 0
    [told] = json.loads(capsys.readouterr().out)
    assert (told["step"], told["state"], told["exit_code"]) == ("bad", "failed", 3)
    assert Path(told["files"]["stderr"]).read_text() == "why\n"
    assert main(["logs"]) == 0
    assert "1 failed" in capsys.readouterr().out
    assert main(["logs", "no such step"]) == 1
    assert "hint" in capsys.readouterr().err
