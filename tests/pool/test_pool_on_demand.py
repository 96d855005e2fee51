"""A pool that a file describes: workers come for jobs, and go after them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from condor_pool import Pools, until, with_image

pytestmark = pytest.mark.slow

_FILE = """\
dodas: 1
name: demand
flavours:
  small:
    provider: local
    cores: 1
    memory: 512MiB
    maximum: 2
    lifetime: 10m
    idle: 8s
    shared_disk: true
    start: "TARGET.Refused =!= true"
  broken:
    provider: local
    site: bad
    cores: 2
    memory: 512MiB
    maximum: 2
sites:
  bad:
    prechecks: [{name: software, command: "echo the software is gone; exit 1"}]
elasticity: {interval: 1s, boot: 60s, young: 5s}
"""
_SUBMIT = """
submit = htcondor2.Submit({{
    "executable": "/bin/sleep", "arguments": "{seconds}", "transfer_executable": "false",
    "should_transfer_files": "NO", "request_memory": "{memory}", "request_disk": "1MB", {more}
    "requirements": "true",
}})
print(schedd.submit(submit, count={count}).cluster())
"""


@pytest.fixture(scope="module")
def demand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Pools, Path]]:
    pytest.importorskip("htcondor2", reason="the extra dodas[htcondor] is not installed")
    with_image()
    folder = tmp_path_factory.mktemp("demand")
    file = folder / "pool.yaml"
    file.write_text(_FILE)
    pools = Pools(state=folder / "state")
    done = pools("up", str(file))
    assert done.returncode == 0, done.stderr
    yield pools, file
    pools("down", "demand", "--force")


def submit(pools: Pools, count: int = 1, seconds: float = 0, memory: str = "100", more: str = "") -> str:
    code = _SUBMIT.format(count=count, seconds=seconds, memory=memory, more=more)
    return pools.python("demand", code).strip()


def pilots(name: str = "demand-small-") -> list[psutil.Process]:
    """Return the processes that are workers of that name, or whose names begin so."""
    return [
        one
        for one in psutil.process_iter(["cmdline"])
        if (one.info["cmdline"] or ["", ""])[-2:-1] == ["pilot"] and name in one.info["cmdline"][-1]
    ]


def ok(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stderr
    return done.stdout


def jobs(pools: Pools) -> int:
    return sum(pools.status("demand")["jobs"].values())


def workers(pools: Pools) -> list[dict[str, object]]:
    return [one for one in pools.status("demand")["workers"] if one["phase"] != "over"]


def test_from_zero_to_zero(demand: tuple[Pools, Path]) -> None:
    pools, _ = demand
    assert workers(pools) == []
    submit(pools, count=4)
    until(lambda: jobs(pools) == 0)
    assert 1 <= len(workers(pools)) <= 2
    until(lambda: workers(pools) == [])
    assert not pilots()


def test_why_a_job_waits(demand: tuple[Pools, Path]) -> None:
    pools, _ = demand
    job = submit(pools, memory="4000")
    until(lambda: "largest flavour" in pools("explain", "demand", f"{job}.0").stdout)
    plain = json.loads(pools("explain", "demand", f"{job}.0", "--json").stdout)
    assert "512" in json.dumps(plain)
    pools.python("demand", f"schedd.act(htcondor2.JobAction.Remove, 'ClusterId == {job}')")


def test_a_broken_node_takes_no_job(demand: tuple[Pools, Path]) -> None:
    pools, _ = demand
    job = submit(pools, more='"request_cpus": "2",')
    until(lambda: "the software is gone" in ok(pools("explain", "demand")))
    code = f"print(list(schedd.query('ClusterId == {job}', projection=['NumJobStarts'])))"
    assert "NumJobStarts = 1" not in pools.python("demand", code)
    # One after the other, with longer and longer pauses.
    assert len([one for one in workers(pools) if one["flavour"] == "broken"]) <= 1
    pools.python("demand", f"schedd.act(htcondor2.JobAction.Remove, 'ClusterId == {job}')")


def test_a_killed_worker_is_replaced_and_its_job_runs_elsewhere(demand: tuple[Pools, Path]) -> None:
    pools, _ = demand
    submit(pools, seconds=5)
    until(lambda: any(one["phase"] == "busy" for one in workers(pools)))
    (busy,) = [one for one in workers(pools) if one["phase"] == "busy"]
    name = str(busy["name"])
    (pilot,) = pilots(name)
    started = pilot.children(recursive=True)
    pilot.kill()
    until(lambda: not any(one.is_running() for one in started))
    until(lambda: name not in {one["name"] for one in workers(pools)})
    # HTCondor waits for a node that it has lost contact with as long as the job's lease lasts, a minute.
    until(lambda: any(one["phase"] == "busy" for one in workers(pools)) or jobs(pools) == 0, seconds=120)
    until(lambda: jobs(pools) == 0)
    explained = pools("explain", "demand", name)
    assert "ended" in explained.stdout, explained


def test_a_worker_that_is_to_be_replaced_is_told_at_once(demand: tuple[Pools, Path]) -> None:
    pools, _ = demand
    job = submit(pools, seconds=100)
    until(lambda: any(one["phase"] == "busy" for one in workers(pools)))
    (name,) = [str(one["name"]) for one in workers(pools) if one["phase"] == "busy"]
    ok(pools("heal", "demand", name))
    until(lambda: "leaving: it was told to end" in ok(pools("logs", "demand", "--worker", name)), seconds=20)
    pools.python("demand", f"schedd.act(htcondor2.JobAction.Remove, 'ClusterId == {job}')")


def test_the_agent_is_killed_and_started_again(demand: tuple[Pools, Path]) -> None:
    pools, file = demand
    os.kill(pools.status("demand")["agent"], signal.SIGKILL)
    until(lambda: pools.status("demand")["agent"] == 0)
    submit(pools, count=2)
    done = pools("up", str(file))
    assert done.returncode == 0, done.stderr
    until(lambda: jobs(pools) == 0)


def test_limits_by_hand(demand: tuple[Pools, Path]) -> None:
    pools, _ = demand
    assert pools("scale", "demand", "small=0", "broken=0").returncode == 0
    until(lambda: workers(pools) == [])
    submit(pools)
    until(lambda: "maximum" in ok(pools("explain", "demand")))
    assert workers(pools) == []
    assert pools("scale", "demand", "small=file").returncode == 0
    until(lambda: jobs(pools) == 0)
    wrong = pools("scale", "demand", "large=3")
    assert (wrong.returncode, "no flavour large" in wrong.stderr) == (1, True)
