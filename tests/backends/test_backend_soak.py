"""A minute of kills at random moments, then the same command again: finished, and nothing is left."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

import smallimage
from dodas.containers.engines.mounts import mounted_below

STEPS = 60
# Runs what is not done yet, again what was lost or killed, until all is done.
PROGRAM = """
import os, sys
from dodas.backend import Finished
from dodas.backends.local import LocalBackend
from dodas.step import Failure, Mount, Step

count, mark, base, store = int(sys.argv[1]), *sys.argv[2:5]
script = "cd /out; echo part > $0.part; sleep 0.1; (setsid sleep $1 &); echo whole > $0.part; mv $0.part $0"
number = 0
places = {"logs": base + "/logs", "scratch": base + "/scratch", "store": store}
with LocalBackend(**places, cores=6, pull="never") as backend:
    while missing := [n for n in range(count) if not os.path.exists(f"{base}/out/{n}")]:
        steps = []
        for n in missing:
            number += 1
            steps.append(Step(
                id=str(number), name="s", argv=("sh", "-c", script, str(n), mark), image="small:1",
                mounts=(Mount(source=base + "/out", target="/out", writable=True),),
            ))
        backend.submit(steps)
        left = len(steps)
        while left:
            for event in backend.events(60):
                if isinstance(event, Finished):
                    left -= 1
                    assert event.result.failure in (None, Failure.LOST, Failure.TOOL), event.result
"""


def _family(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    with suppress(psutil.NoSuchProcess):
        dodas = psutil.Process(process.pid)
        return [dodas, *dodas.children(recursive=True)]
    return []


@pytest.mark.slow
def test_kills_at_random_moments(tmp_path: Path) -> None:
    mark = smallimage.token()
    smallimage.fill(str(tmp_path / "store"), tmp_path)
    for name in ("out", "scratch"):
        (tmp_path / name).mkdir()
    command = [sys.executable, "-c", PROGRAM, str(STEPS), mark, str(tmp_path), str(tmp_path / "store")]
    chance = random.Random(20250101)
    end = time.monotonic() + float(os.environ.get("DODAS_TEST_SOAK", "20"))
    kills = 0
    process = subprocess.Popen(command)
    while time.monotonic() < end:
        time.sleep(chance.uniform(0.05, 0.6))  # the random moment
        if process.poll() is not None:
            for path in (tmp_path / "out").iterdir():
                path.unlink()
            process = subprocess.Popen(command)
        family = _family(process)
        if family:
            with suppress(psutil.NoSuchProcess):
                # The program itself as often as all that it started.
                (family[0] if chance.random() < 0.3 else chance.choice(family)).kill()
                kills += 1
    process.kill()
    process.wait()
    assert kills > 5
    print(f"{kills} kills")
    assert subprocess.run(command, check=False).returncode == 0
    assert {path.name for path in (tmp_path / "out").iterdir() if path.suffix != ".part"} == set(
        map(str, range(STEPS))
    )
    assert {(tmp_path / "out" / str(number)).read_text() for number in range(STEPS)} == {"whole\n"}
    smallimage.assert_gone(mark)
    assert mounted_below(str(tmp_path)) == []
    (home,) = (tmp_path / "scratch").iterdir()
    assert os.listdir(home) == []
