"""Everything is killed at random for a while; then the same command finishes, and nothing was leaked.

``DODAS_TORTURE_SECONDS`` says for how long, ``DODAS_TORTURE_SEED`` repeats a run.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

import smallimage
from dodas.containers.engines.mounts import mounted_below

_SECONDS = float(os.environ.get("DODAS_TORTURE_SECONDS", "10"))
_SEED = int(os.environ.get("DODAS_TORTURE_SEED", str(time.time_ns() % 10**6)))
_JOBS = 60

_SNAKEFILE = """\
shell.executable("/bin/sh")
rule all:
    input: expand("out/{{n}}", n=range({jobs}))
rule job:
    output: "out/{{n}}"
    container: "small:1"
    shell: "(setsid sleep {token} &); sleep 0.1; cat /marker > {{output}}; echo {{wildcards.n}} >> {{output}}"
"""


def _command() -> list[str]:
    options = ["--executor", "dodas", "--jobs", "20", "--keep-going", "--rerun-incomplete", "--nolock"]
    return [sys.executable, "-m", "snakemake", *options, "--quiet", "all"]


def _victims(main: subprocess.Popen[bytes], token: str) -> list[psutil.Process]:
    """Return the program, its fork server, the supervisors and the steps: all of them are fair game."""
    found = smallimage.marked(token)
    try:
        root = psutil.Process(main.pid)
        found += [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        pass
    return found


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_killing_anything_at_random(tmp_path: Path) -> None:
    dice = random.Random(_SEED)
    token = smallimage.token()
    work, scratch, store = tmp_path / "work", tmp_path / "scratch", tmp_path / "store"
    for folder in (work, scratch):
        folder.mkdir()
    smallimage.fill(str(store), tmp_path)
    (work / "Snakefile").write_text(_SNAKEFILE.format(jobs=_JOBS, token=token))
    own = {"DODAS_STORE": str(store), "DODAS_SCRATCH": str(scratch), "TMPDIR": str(tmp_path)}
    environment = {**os.environ, **own}
    kills = 0
    end = time.monotonic() + _SECONDS
    while time.monotonic() < end:
        shutil.rmtree(work / "out", ignore_errors=True)
        with subprocess.Popen(
            _command(), cwd=work, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as main:
            while main.poll() is None and time.monotonic() < end:
                time.sleep(dice.uniform(0.0, 0.4))  # the moment of a kill is what is varied here
                victims = _victims(main, token)
                if victims:
                    try:
                        dice.choice(victims).kill()
                        kills += 1
                    except psutil.NoSuchProcess:
                        continue
            main.kill()
    assert kills > 0
    done = subprocess.run(_command(), cwd=work, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"seed {_SEED}: {done.stdout[-1000:]}{done.stderr[-3000:]}"
    assert {path.name: path.read_text() for path in (work / "out").iterdir()} == {
        str(number): f"image\n{number}\n" for number in range(_JOBS)
    }
    smallimage.assert_gone(token)
    assert mounted_below(str(tmp_path)) == []
    assert [str(path) for path in scratch.rglob("*") if path.name != f"dodas-{os.geteuid()}"] == []
    assert [path.name for path in store.glob(".dodas/tmp/*")] == []
