"""A pool comes, is used, is killed, comes back with its queue, and goes without a trace."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from condor_jobs import AWAIT, SUBMIT, job
from condor_pool import Pools, kill, until


def living(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Return those that neither ended nor only wait to be collected."""
    return [process for process in processes if _lives(process)]


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:  # it ended between the two
        return False


def sockets(port: int) -> list[int]:
    """Return the process ids of those who listen on a port."""
    connections = (one for one in psutil.net_connections("tcp") if one.status == psutil.CONN_LISTEN)
    return [one.pid or 0 for one in connections if one.laddr and one.laddr.port == port]


def test_a_job_runs_as_the_user_and_sees_his_files(
    condor_pool: Callable[[str], tuple[Pools, str]], tmp_path: Path
) -> None:
    pools, name = condor_pool("shared")
    (tmp_path / "given").write_text("é")
    script = f"id -un > '{tmp_path}/who'; cat '{tmp_path}/given' > '{tmp_path}/found'"
    assert pools.python(name, job(tmp_path, script) + SUBMIT + AWAIT) == "1\n"
    assert (tmp_path / "found").read_text() == "é"
    assert (tmp_path / "found").stat().st_uid == os.geteuid()
    assert (tmp_path / "who").read_text().strip() not in ("root", "user", "nobody")


def test_a_node_without_a_shared_disk_sees_nothing_of_the_host(
    condor_pool: Callable[[str], tuple[Pools, str]], tmp_path: Path
) -> None:
    pools, name = condor_pool("far")
    out = tmp_path / "out"
    code = f"""
description = htcondor2.Submit({{
    "executable": "/bin/ls", "arguments": "/ /tmp {tmp_path}", "transfer_executable": "false",
    "should_transfer_files": "yes", "transfer_output_files": "", "log": log, "output": {str(out)!r},
    "request_memory": "20", "request_disk": "1000",
}})
schedd.submit(description)
(slot,) = htcondor2.Collector(access.collector).query(
    htcondor2.AdType.Startd, constraint="PartitionableSlot", projection=["FileSystemDomain", "DodasCache"]
)
assert slot["FileSystemDomain"] != access.filesystem_domain and slot["DodasCache"].startswith("/")
"""
    assert pools.python(name, job(tmp_path) + code + AWAIT) == "1\n"
    assert tmp_path.parts[1] == "tmp", "else this looks at the wrong place"
    assert out.read_text().split("/tmp:")[1].split() == []


def test_a_step_in_a_job_makes_containers_of_its_own(
    condor_pool: Callable[[str], tuple[Pools, str]], tmp_path: Path
) -> None:
    unshare = "--user --map-root-user --pid --fork --mount-proc true"
    for kind, transfer in (("shared", "no"), ("far", "yes")):
        pools, name = condor_pool(kind)
        log = str(tmp_path / kind)
        begin = f"log, words, count = {log!r}, {unshare!r}, 1\n"
        nested = SUBMIT.replace('"/bin/sh"', '"/usr/bin/unshare"').replace('"no"', f'"{transfer}"')
        assert pools.python(name, begin + nested + AWAIT + "print(event['ReturnValue'])") == "1\n0\n", kind


def test_up_down_and_nothing_is_left(pools: Pools) -> None:
    before = set(os.listdir(tempfile.gettempdir()))
    printed = pools.up("a-pool")
    assert "dodas cwl --backend htcondor --pool a-pool" in printed
    processes, port = pools.processes("a-pool"), int(pools.status("a-pool")["collector"].split(":")[1])
    assert len(processes) > 8
    assert len(sockets(port)) == 1
    assert "up already" in pools.up("a-pool")
    assert pools.status("a-pool")["keeper"] == processes[0].pid

    done = pools("down", "a-pool")
    assert (done.returncode, done.stderr) == (0, "")
    assert living(processes) == []
    assert sockets(port) == []
    assert not (pools.state / "pools").exists()
    left = {
        name for name in set(os.listdir(tempfile.gettempdir())) - before if "FS_" in name or "pool" in name
    }
    assert left == set()
    assert "there is no pool called a-pool" in pools("down", "a-pool").stderr


def test_two_pools_know_nothing_of_each_other(pools: Pools, tmp_path: Path) -> None:
    pools.up("one")
    pools.up("Two_2")
    pools.python("one", job(tmp_path) + SUBMIT + AWAIT)
    assert (
        pools.python("Two_2", "print(schedd.query(), list(schedd.history(None, ['ClusterId'])))") == "[] []\n"
    )
    names = [pool["name"] for pool in json.loads(pools("list", "--json").stdout)]
    assert names == ["Two_2", "one"]
    pools("down", "one")
    assert pools.status("Two_2")["state"] == "up"


def test_many_ups_at_once_make_one_pool(pools: Pools) -> None:
    command = [sys.executable, "-m", "dodas", "pool", "up", "--local", "--name", "x", "--json", "--cpus", "1"]
    started = [
        subprocess.Popen(command, env=pools.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(4)
    ]
    answers = [json.loads(process.communicate(timeout=100)[0]) for process in started]
    assert sorted(answer["started"] for answer in answers) == [False, False, False, True]


@pytest.mark.parametrize("victim", ["keeper", "master"])
def test_a_killed_pool_is_seen_as_dead_and_finishes_its_queue(
    pools: Pools, tmp_path: Path, victim: str
) -> None:
    pools.up("p")
    # They wait for a file that comes when the pool is up again.
    jobs = job(tmp_path, f"while [ ! -e '{tmp_path}/go' ]; do sleep 0.1; done", 3)
    pools.python("p", jobs + SUBMIT)
    status = pools.status("p")
    processes = pools.processes("p")
    kill(status["keeper"] if victim == "keeper" else pools.daemon("p", "head", "condor_master"))
    until(lambda: not living(processes))

    (listed,) = json.loads(pools("list", "--json").stdout)
    assert (listed["state"], sum(listed["jobs"].values())) == ("dead", 3)
    assert "bring it up again" in pools("status", "p").stdout
    refused = pools("down", "p")
    assert refused.returncode == 1
    assert "would be lost" in refused.stderr

    pools.up("p")
    (tmp_path / "go").touch()
    assert pools.python("p", jobs + AWAIT) == "3\n"


def test_a_node_that_died_is_told_of_and_started_again_alone(pools: Pools, tmp_path: Path) -> None:
    pools.up("p")
    schedd = pools.daemon("p", "head", "condor_schedd")
    kill(pools.daemon("p", "node", "condor_master"))
    keeper = psutil.Process(pools.status("p")["keeper"])
    node = psutil.Process(next(part["pid"] for part in pools.status("p")["parts"] if part["pid"]))
    assert keeper.is_running()
    assert node.is_running()
    until(lambda: pools.status("p")["state"] == "damaged")
    assert "killed by signal 9" in pools("status", "p").stdout
    pools.up("p")
    assert pools.status("p")["state"] == "up"
    assert pools.daemon("p", "head", "condor_schedd") == schedd
    assert pools.python("p", job(tmp_path) + SUBMIT + AWAIT) == "1\n"


def test_a_daemon_that_died_comes_back_by_itself(pools: Pools, tmp_path: Path) -> None:
    pools.up("p")
    jobs = job(tmp_path, f"while [ ! -e '{tmp_path}/go' ]; do sleep 0.1; done", 2)
    pools.python("p", jobs + SUBMIT)
    schedd = pools.daemon("p", "head", "condor_schedd")
    kill(schedd)
    address = pools.state / "pools/p/head/run/schedd.address"
    before = address.stat().st_mtime_ns
    until(lambda: address.stat().st_mtime_ns != before)
    (tmp_path / "go").touch()
    assert pools.python("p", jobs + AWAIT) == "2\n"
    assert pools.daemon("p", "head", "condor_schedd") != schedd
    assert pools.status("p")["state"] == "up"


def test_down_with_jobs_wants_to_be_forced(pools: Pools, tmp_path: Path) -> None:
    pools.up("p")
    pools.python("p", job(tmp_path, "sleep 1000", 2) + SUBMIT)
    refused = pools("down", "p")
    assert refused.returncode == 1
    assert "would be lost" in refused.stderr
    assert "--force" in refused.stderr
    assert "and 2 jobs with it" in pools("down", "p", "--force").stdout


def test_the_logs_of_the_daemons(condor_pool: Callable[[str], tuple[Pools, str]]) -> None:
    pools, name = condor_pool("shared")
    schedd = pools("logs", name, "--daemon", "condor_schedd", "-n", "1000").stdout
    assert schedd
    assert all(line.startswith("head/SchedLog: ") for line in schedd.splitlines())
    every = {line.split(":")[0] for line in pools("logs", name).stdout.splitlines()}
    assert {"head/MasterLog", "node/MasterLog", "node/StartLog", "head/CollectorLog"} <= every
    wrong = pools("logs", name, "--daemon", "xyz")
    assert wrong.returncode == 1
    assert "schedd" in wrong.stderr


def test_the_logs_can_be_followed(condor_pool: Callable[[str], tuple[Pools, str]], tmp_path: Path) -> None:
    pools, name = condor_pool("shared")
    command = [
        sys.executable,
        "-m",
        "dodas",
        "pool",
        "logs",
        name,
        "--daemon",
        "schedd",
        "-n",
        "1",
        "--follow",
    ]
    with subprocess.Popen(command, env=pools.environment(), stdout=subprocess.PIPE, text=True) as following:
        assert following.stdout is not None
        following.stdout.readline()
        pools.python(name, job(tmp_path) + SUBMIT + AWAIT)
        assert any("exit reason" in line for line in following.stdout)
        following.send_signal(signal.SIGINT)
        assert following.wait(30) == 130
