"""Whole jobs on a node that sees nothing of the submit side's disk but what was sent."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from datetime import timedelta
from pathlib import Path

import pytest

import smallimage
from dodas.containers.store import Store
from dodas.node import build, images
from dodas.node.results import Kind
from dodas.step import MIB, Failure, Input, Mount, Output, Resources, Step
from node_sandboxes import Sandbox, kill, pythons, script, shared_order

HOSTILE = (
    "with space",
    "quo'te\"s",
    "semi;co,lon:x",
    "new\nline",
    "ünï",
    "-rf",
    "$HOME",
    "%41",
    "b\\s",
    "*?[x]",
)


def home(tmp_path: Path) -> Path:
    """Return a directory of the submit side."""
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


@pytest.mark.parametrize("python", pythons(), ids=os.path.basename)
def test_the_worker_runs_on_every_python(tmp_path: Path, sandbox: Sandbox, python: str) -> None:
    sandbox.cache = tmp_path / "cache"  # unpacked by this very Python
    sandbox.python = python
    place = home(tmp_path)
    (place / "in.txt").write_text("hello\n")
    step = script(
        "s",
        "tr a-z A-Z < in.txt > out.txt; echo told; echo complained >&2",
        place,
        inputs=(Input(source=f"{place}/in.txt", target=f"{place}/in.txt"),),
        outputs=(Output(path=f"{place}/out.txt", destination=f"{place}/out.txt"),),
        resources=Resources(memory=200 * MIB, walltime=timedelta(minutes=5)),
    )
    sandbox.submit(step)
    done = sandbox.run()
    assert (done.returncode, done.stderr) == (0, "")
    results = sandbox.deliver()
    assert results["s"].ok, results
    assert (place / "out.txt").read_text() == "HELLO\n"
    streams = {item.kind: item for item in sandbox.report().steps[0].returned if not item.destination}
    assert {kind: item.entries[0].size for kind, item in streams.items()} == {Kind.STDOUT: 5, Kind.STDERR: 11}


@pytest.mark.parametrize("python", pythons(6, 8), ids=os.path.basename)
def test_a_python_that_is_too_old_finds_a_newer_one(tmp_path: Path, sandbox: Sandbox, python: str) -> None:
    sandbox.cache = tmp_path / "cache"
    sandbox.python = python
    sandbox.submit(script("s", "true", home(tmp_path)))
    done = sandbox.run()
    assert (done.returncode, done.stderr) == (0, "")


def test_a_worker_that_nobody_used_for_long_is_forgotten(tmp_path: Path, sandbox: Sandbox) -> None:
    sandbox.cache = tmp_path / "cache"
    for name, age in (("old", 31), ("young", 29)):
        (sandbox.cache / "worker" / name).mkdir(parents=True)
        (sandbox.cache / "worker" / name / "READY").write_text("/usr/bin/python3\n")
        then = time.time() - age * 86400
        os.utime(sandbox.cache / "worker" / name / "READY", (then, then))
    sandbox.cache.chmod(0o700)
    sandbox.submit(script("s", "true", home(tmp_path)))
    assert sandbox.run().returncode == 0
    names = {path.name for path in (sandbox.cache / "worker").iterdir() if path.is_dir()}
    assert "young" in names
    assert "old" not in names
    assert len(names) == 2


def test_a_cache_of_somebody_else_is_not_used(tmp_path: Path, sandbox: Sandbox) -> None:
    """What others could have put there would run as the user."""
    sandbox.cache = tmp_path / "cache"
    (sandbox.cache / "worker").mkdir(parents=True)
    (sandbox.cache / "worker").chmod(0o777)
    sandbox.submit(script("s", "true", home(tmp_path)))
    assert sandbox.run().returncode == 0
    assert (sandbox.path / "cache" / "worker").is_dir()


_IMPORT_ALL = """
import importlib, pkgutil, sys
sys.path.insert(0, sys.argv[1])
import dodas
for module in pkgutil.walk_packages(dodas.__path__, "dodas."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
"""


@pytest.mark.parametrize("python", pythons(), ids=os.path.basename)
def test_all_that_is_shipped_can_be_imported(tmp_path: Path, python: str) -> None:
    with zipfile.ZipFile(build.worker_file()) as archive:
        archive.extractall(tmp_path)
    done = subprocess.run(
        [python, "-I", "-S", "-c", _IMPORT_ALL, tmp_path], capture_output=True, text=True, check=False
    )
    if "_ssl" in done.stderr:
        pytest.skip("this Python was not built to speak HTTPS")
    assert (done.returncode, done.stderr) == (0, "")


def test_every_name_survives_both_ways(tmp_path: Path, sandbox: Sandbox) -> None:
    place = home(tmp_path)
    (place / "in").mkdir()
    for name in HOSTILE:
        (place / "in" / name).write_text(name)
        (place / "in" / f"{name}.d").mkdir()
    step = script(
        "s",
        'mkdir out; for f in in/*; do cp -r "$f" "out/${f#in/}.copy"; done',
        place,
        inputs=(Input(source=f"{place}/in", target=f"{place}/in"),),
        outputs=(Output(path=f"{place}/out", destination=f"{place}/out"),),
    )
    sandbox.submit(step)
    assert sandbox.run().returncode == 0
    assert sandbox.deliver()["s"].ok
    made = {path.name: path.read_text() if path.is_file() else None for path in (place / "out").iterdir()}
    assert made == {f"{n}.copy": n for n in HOSTILE} | {f"{n}.d.copy": None for n in HOSTILE}
    assert all(name.isdecimal() or name.startswith("results") for name in os.listdir(sandbox.path / "out"))


def test_a_whole_mount_comes_back_as_it_is_left(tmp_path: Path, sandbox: Sandbox) -> None:
    place = home(tmp_path)
    (place / "out").mkdir()
    (place / "out" / "goes").write_text("x")
    (place / "out" / "stays").write_text("stays")
    step = script(
        "s",
        "rm goes; mkdir -p empty deep/er; : > deep/er/none; ln -s ../stays deep/link;"
        " echo x > tool; chmod 755 tool; echo secret > closed; chmod 400 closed; chmod 555 deep",
        place / "out",
        mounts=(Mount(source=f"{place}/out", target=f"{place}/out", writable=True),),
    )
    sandbox.submit(step)
    assert sandbox.run().returncode == 0
    assert sandbox.deliver()["s"].ok
    out = place / "out"
    assert sorted(os.listdir(out)) == ["closed", "deep", "empty", "stays", "tool"]
    assert (out / "deep" / "er" / "none").read_bytes() == b""
    assert os.readlink(out / "deep" / "link") == "../stays"
    modes = {name: (out / name).stat().st_mode & 0o777 for name in ("tool", "closed", "deep")}
    assert modes == {"tool": 0o755, "closed": 0o400, "deep": 0o555}
    (out / "deep").chmod(0o755)


def test_of_a_view_only_what_is_declared_travels(tmp_path: Path, sandbox: Sandbox) -> None:
    place = home(tmp_path)
    for name in ("wanted", "unwanted"):
        (place / name).write_text(name)
    step = script(
        "s",
        "ls > results/seen; echo log > other; cp wanted results/copy",
        place,
        mounts=(Mount(source=str(place), target=str(place), writable=True, whole=False),),
        inputs=(Input(source=f"{place}/wanted", target=f"{place}/wanted"),),
        outputs=(
            Output(path=f"{place}/results/seen", destination=f"{place}/results/seen"),
            Output(path=f"{place}/results/copy", destination=f"{place}/elsewhere/copy"),
            Output(path=f"{place}/never", destination=f"{place}/never", optional=True),
        ),
    )
    sandbox.submit(step)
    assert sandbox.run().returncode == 0
    assert sandbox.deliver()["s"].ok
    assert (place / "results" / "seen").read_text() == "results\nwanted\n"
    assert (place / "elsewhere" / "copy").read_text() == "wanted"
    assert sorted(os.listdir(place)) == ["elsewhere", "results", "unwanted", "wanted"]


def test_outputs_by_pattern(tmp_path: Path, sandbox: Sandbox) -> None:
    place = home(tmp_path)
    step = script(
        "s",
        "mkdir d; touch d/a.txt d/b.txt d/c.dat one.log",
        place,
        outputs=(
            Output(path=f"{place}/d/*.txt", destination=f"{place}/d/*.txt"),
            Output(path=f"{place}/*.log", destination=f"{place}/renamed.log"),
            Output(path=f"{place}/d/[ab].txt", destination=f"{place}/folder"),
        ),
    )
    sandbox.submit(step)
    assert sandbox.run().returncode == 0
    assert sandbox.deliver()["s"].ok
    found = sorted(str(path.relative_to(place)) for path in place.rglob("*") if path.is_file())
    assert found == ["d/a.txt", "d/b.txt", "folder/a.txt", "folder/b.txt", "renamed.log"]


def test_paths_in_the_words_of_a_host_step_are_moved(tmp_path: Path, sandbox: Sandbox) -> None:
    place = home(tmp_path)
    (place / "in.txt").write_text("content\n")
    (tmp_path / "home2").mkdir()
    (tmp_path / "data.txt").write_text("data\n")
    step = Step(
        id="s",
        name="s",
        argv=("/bin/sh", "-c", f'cat {place}/in.txt "{tmp_path}/data.txt" > $OUT; ln -s {place}/in.txt link'),
        env=(("PATH", os.environ["PATH"]), ("OUT", f"{place}/out.txt"), ("NOT", f"{place}2/x")),
        cwd=str(place),
        mounts=(Mount(source=str(place), target=str(place), writable=True),),
        inputs=(Input(source=f"{tmp_path}/data.txt", target=f"{tmp_path}/data.txt"),),
    )
    sandbox.submit(step)
    assert sandbox.run().returncode == 0
    assert sandbox.deliver()["s"].ok
    assert (place / "out.txt").read_text() == "content\ndata\n"
    assert os.readlink(place / "link") == f"{place}/in.txt"


def test_one_failing_step_fails_alone(tmp_path: Path, sandbox: Sandbox) -> None:
    place = home(tmp_path)
    shared = place / "in"
    shared.write_text("x" * 1000)
    brought = (Input(source=str(shared), target=str(shared)),)
    steps = [
        script("good", "cat in", place, inputs=brought, stdout=f"{place}/good.out"),
        script("bad", "cat in; echo why >&2; exit 3", place, inputs=brought, stderr=f"{place}/bad.err"),
        script("killed", "kill -9 $$", place),
        script("lazy", ":", place, outputs=(Output(path=f"{place}/gone", destination=f"{place}/gone"),)),
    ]
    sandbox.submit(*steps)
    assert sandbox.run().returncode == 0
    results = sandbox.deliver()
    ends = {name: (result.failure, result.exit_code, result.signal) for name, result in results.items()}
    assert ends == {
        "good": (None, 0, None),
        "bad": (Failure.TOOL, 3, None),
        "killed": (Failure.TOOL, 137, signal.SIGKILL),
        "lazy": (Failure.STAGE_OUT, 0, None),
    }
    assert f"{place}/gone" in results["lazy"].reason
    assert (place / "good.out").read_text() == "x" * 1000
    assert (place / "bad.err").read_text() == "why\n"


def test_limits_are_kept_on_nodes(tmp_path: Path, sandbox: Sandbox) -> None:
    place = home(tmp_path)
    greedy = "import time; block = b'x' * (200 << 20); time.sleep(60)"
    python = Resources(memory=60 * MIB)
    sandbox.submit(
        script("slow", "sleep 60", place, resources=Resources(walltime=timedelta(seconds=0.2))),
        script("greedy", f'exec "{sys.executable}" -c "{greedy}"', place, resources=python),
    )
    assert sandbox.run().returncode == 0
    results = sandbox.deliver()
    assert {name: result.failure for name, result in results.items()} == dict.fromkeys(results, Failure.LIMIT)
    assert "memory" in results["greedy"].reason


def test_five_thousand_files_come_home(tmp_path: Path, sandbox: Sandbox) -> None:
    place = home(tmp_path)
    step = script(
        "s",
        "mkdir out; cd out; i=0; while [ $i -lt 5000 ]; do echo $i > f$i; i=$((i+1)); done",
        place,
        outputs=(Output(path=f"{place}/out", destination=f"{place}/out"),),
    )
    sandbox.submit(step)
    assert sandbox.run().returncode == 0
    assert sandbox.deliver()["s"].ok
    assert {path.name: path.read_text() for path in (place / "out").iterdir()} == {
        f"f{number}": f"{number}\n" for number in range(5000)
    }


def test_a_large_file_is_renamed_not_read(tmp_path: Path, sandbox: Sandbox) -> None:
    place = home(tmp_path)
    step = script(
        "s",
        "truncate -s 3G big",
        place,
        outputs=(Output(path=f"{place}/big", destination=f"{place}/big"),),
    )
    sandbox.submit(step)
    assert sandbox.run().returncode == 0
    assert sandbox.deliver()["s"].ok
    status = (place / "big").stat()
    assert (status.st_size, status.st_blocks) == (3 << 30, 0)


def test_a_shared_disk_needs_no_staging(tmp_path: Path, sandbox: Sandbox) -> None:
    place = home(tmp_path)
    made = Output(path=f"{place}/made", destination=f"{place}/made")
    order = shared_order(
        tmp_path / "job",
        script("one", "echo here > made; echo told", place, outputs=(made,)),
        script("two", ":", place, outputs=(Output(path=f"{place}/no", destination=f"{place}/no"),)),
        logs=str(tmp_path / "logs"),
    )
    assert sandbox.run(order).returncode == 0
    assert (place / "made").read_text() == "here\n"
    sandbox.path = tmp_path / "job"
    report = sandbox.report()
    ends = {one.result.step: one.result for one in report.steps}
    assert ends["one"].ok
    assert Path(str(ends["one"].stdout)).read_text() == "told\n"
    assert ends["two"].failure is Failure.STAGE_OUT
    assert sorted(os.listdir(tmp_path / "job" / "out")) == [
        "results.0.json",
        "results.1.json",
        "results.json",
    ]


def test_what_a_lost_node_got_done_on_a_shared_disk_is_not_done_again(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    place = home(tmp_path)
    steps = [script(name, f"echo {name} >> done", place) for name in ("one", "two", "three")]
    order = shared_order(tmp_path / "job", *steps, logs=str(tmp_path / "logs"))
    assert sandbox.run(order).returncode == 0
    out = tmp_path / "job" / "out"
    (out / "results.json").unlink()
    (out / "results.1.json").unlink()
    (out / "results.2.json").write_text((out / "results.2.json").read_text()[:20])
    assert sandbox.run(order).returncode == 0
    assert sorted((place / "done").read_text().split()) == ["one", "three", "three", "two", "two"]
    sandbox.path = tmp_path / "job"
    assert sorted(one.result.step for one in sandbox.report().steps) == ["one", "three", "two"]


def test_an_unreadable_order_is_said_to_be(tmp_path: Path, sandbox: Sandbox) -> None:
    (sandbox.path / "order.json").write_text(json.dumps({"format": 1}))
    done = sandbox.run()
    assert done.returncode == 2
    assert "cannot read the order" in done.stderr
    assert sandbox.run("absent.json").returncode == 2


def test_input_that_did_not_arrive_is_the_nodes_failure(tmp_path: Path, sandbox: Sandbox) -> None:
    place = home(tmp_path)
    (place / "in").write_text("x")
    sandbox.submit(script("s", "cat in", place, inputs=(Input(source=f"{place}/in", target=f"{place}/in"),)))
    (sandbox.path / "in" / "0").unlink()
    assert sandbox.run().returncode == 75
    report = sandbox.report()
    assert report.steps == ()
    assert "did not arrive" in report.problem


def test_a_stopped_job_ends_its_steps_and_claims_nothing(tmp_path: Path, sandbox: Sandbox, mark: str) -> None:
    place = home(tmp_path)
    sandbox.submit(script("s", f"trap 'exit 0' TERM; sleep {mark} & wait", place))
    process = sandbox.start()
    smallimage.wait_for_marked(f"sleep {mark}")
    process.terminate()
    assert process.wait(60) == 143
    assert process.stderr is not None
    process.stderr.close()
    smallimage.assert_gone(mark)
    assert not (sandbox.path / "out" / "results.json").exists()


@pytest.mark.parametrize("contained", [False, True])
def test_nothing_outlives_a_killed_job(
    tmp_path: Path, sandbox: Sandbox, mark: str, contained: bool, small_store: str
) -> None:
    place = home(tmp_path)
    step = script("s", f"sleep {mark}", place)
    if contained:
        step = Step(id="s", name="s", argv=("/bin/sleep", mark), image=smallimage.NAME)
    source = images.describe(Store(small_store), smallimage.NAME)
    assert source is not None
    for layer in source.layers:
        sandbox.take(layer.path)
    sandbox.submit(step, images={smallimage.NAME: sent(source, sandbox)})
    process = sandbox.start()
    smallimage.wait_for_marked(mark)
    kill(process)
    assert process.stderr is not None
    process.stderr.close()
    smallimage.assert_gone(mark)


def sent(source: images.ImageSource, sandbox: Sandbox) -> images.ImageSource:
    """Return a source whose layers travel with the job."""
    from dataclasses import replace

    return replace(
        source, layers=tuple(replace(layer, blob=sandbox.take(layer.path)) for layer in source.layers)
    )


def test_secrets_are_in_the_order_alone(tmp_path: Path, sandbox: Sandbox, mark: str) -> None:
    place = home(tmp_path)
    step = Step(
        id="s",
        name="s",
        argv=("/bin/sh", "-c", f'test "${{#TOKEN}}" = 7 && exec sleep {mark}'),
        env=(("PATH", os.environ["PATH"]), ("TOKEN", "hunter2")),
        cwd=str(place),
    )
    sandbox.submit(step)
    assert (sandbox.path / "order.json").stat().st_mode & 0o777 == 0o600
    process = sandbox.start()
    smallimage.wait_for_marked(mark)
    lines = [Path(f"/proc/{name}/cmdline") for name in os.listdir("/proc") if name.isdigit()]
    seen = b"".join(path.read_bytes() for path in lines if path.exists())
    process.terminate()
    process.wait(60)
    assert process.stderr is not None
    with process.stderr:
        assert "hunter2" not in process.stderr.read()
    assert b"hunter2" not in seen
    written = [path for path in sandbox.path.rglob("*") if path.is_file() and path.name != "order.json"]
    assert not any(b"hunter2" in path.read_bytes() for path in written)
