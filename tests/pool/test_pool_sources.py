"""Where a pool's HTCondor comes from, and the engines that carry it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import smallimage
from condor_jobs import AWAIT, SUBMIT, job
from condor_pool import Pools
from dodas.containers.packages.build import load
from dodas.pool.image import RECIPE
from dodas.worker.choose import verdict
from installations import PROJECT

# Run in a job: there, HTCondor is installed, and so it is where a pool has its HTCondor from.
INNER = """
exec 2> '{place}/errors'
set -e
export PATH=/usr/bin:/bin PYTHONPATH='{project}/executors'
export DODAS_STATE='{place}/state' DODAS_CACHE='{place}/cache' HOME='{place}'
cd '{place}'
python3 -m dodas pool up --local --name inner --cpus 1 {option} > up
python3 -m dodas pool status inner > status
export CONDOR_CONFIG='{place}/state/pools/inner/condor_config'
condor_status -af Name FileSystemDomain > slots
python3 -m dodas pool down inner > down
"""


@pytest.mark.parametrize("option", ["--shared-disk", "--no-shared-disk"])
def test_the_hosts_own_htcondor_is_taken_where_there_is_one(
    condor_pool: Callable[[str], tuple[Pools, str]], tmp_path: Path, option: str
) -> None:
    pools, name = condor_pool("shared")
    script = INNER.format(project=PROJECT, place=tmp_path, option=option)
    done = pools.python(name, job(tmp_path, script) + SUBMIT + AWAIT + "print(event['ReturnValue'])")
    assert done == "1\n0\n", (tmp_path / "errors").read_text()
    assert "HTCondor: this host" in (tmp_path / "status").read_text()
    assert (tmp_path / "slots").read_text().startswith("slot1@inner-node@ ")
    assert ("node.inner" in (tmp_path / "slots").read_text()) == (option == "--no-shared-disk")
    assert "is gone" in (tmp_path / "down").read_text()


def test_an_htcondor_that_does_not_start_is_quoted(pools: Pools, tmp_path: Path) -> None:
    master = tmp_path / "sbin/condor_master"
    master.parent.mkdir()
    master.write_text("#!/bin/sh\necho this is no HTCondor >&2\nexit 3\n")
    master.chmod(0o755)
    done = pools("up", "--local", "--name", "p", PATH=f"{master.parent}:{os.environ['PATH']}")
    assert done.returncode == 1
    assert "exit status 3" in done.stderr
    assert "this is no HTCondor" in done.stderr
    assert "dodas pool logs p" in done.stderr
    assert pools("list").stdout.split()[:2] == ["p", "dead"]


def test_an_image_without_htcondor_is_refused(pools: Pools, tmp_path: Path) -> None:
    smallimage.fill(os.environ["UDOCKER_DIR"], tmp_path)
    done = pools("up", "--local", "--image", smallimage.NAME)
    assert done.returncode == 1
    assert f"there is no condor_master in the image {smallimage.NAME}" in done.stderr


def test_an_image_that_the_user_names(pools: Pools, tmp_path: Path) -> None:
    printed = pools.up("p", "--image", RECIPE.name)
    assert "is up (" in printed
    assert pools.status("p")["htcondor"] == RECIPE.name
    assert pools.python("p", job(tmp_path) + SUBMIT + AWAIT) == "1\n"


def test_the_image_is_made_once(pools: Pools) -> None:
    assert pools("image").stdout == f"{RECIPE.name} is there already\n"
    assert not load(RECIPE)


def test_a_pool_where_there_are_no_user_namespaces(pools: Pools, tmp_path: Path) -> None:
    if problem := verdict("proot").problem:
        pytest.skip(f"no PRoot: {problem}")
    pools.up("p", DODAS_ENGINE="proot")
    assert pools.python("p", job(tmp_path, f"id -u > '{tmp_path}/id'") + SUBMIT + AWAIT) == "1\n"
    assert (tmp_path / "id").read_text() != "0\n"


def test_a_pool_without_the_bindings(pools: Pools, tmp_path: Path) -> None:
    (tmp_path / "htcondor2.py").write_text("raise ImportError('not here')\n")
    hidden = {"PYTHONPATH": os.pathsep.join((str(tmp_path), os.environ.get("PYTHONPATH", "")))}
    pools.up("p", **hidden)
    assert pools("list", **hidden).stdout.split()[:2] == ["p", "up"]
    code = "from dodas.pool.access import configure\nconfigure('p')"
    done = subprocess.run(
        [sys.executable, "-c", code],
        check=False,
        capture_output=True,
        text=True,
        env=pools.environment(**hidden),
    )
    assert "needs HTCondor's Python bindings, which are not installed" in done.stderr
    assert pools("down", "p", **hidden).returncode == 0
