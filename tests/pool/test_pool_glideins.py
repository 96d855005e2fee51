"""A pool whose workers are jobs of another HTCondor pool."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from condor_pool import Pools, until
from dodas.pool.description.reading import parse
from dodas.pool.providers.base import State
from dodas.pool.providers.htcondor import seen
from dodas.pool.rendering.htcondor import render

_FILE = """\
dodas: 1
name: glide
providers:
  outer: {{kind: htcondor, pool: {outer}}}
flavours:
  small:
    provider: outer
    cores: 1
    memory: 500MiB
    maximum: 2
    lifetime: 10m
    idle: 8s
    htcondor:
      submit: {{accounting_group: dodas.test}}
elasticity: {{interval: 1s, boot: 60s, young: 5s}}
"""
_SUBMIT = """
submit = htcondor2.Submit({
    "executable": "/bin/hostname", "transfer_executable": "false", "should_transfer_files": "YES",
    "when_to_transfer_output": "ON_EXIT", "request_memory": "100", "request_disk": "1MB",
})
print(schedd.submit(submit, count=3).cluster())
"""


@pytest.mark.slow
def test_from_zero_to_zero(condor_pool: Callable[[str], tuple[Pools, str]], tmp_path: Path) -> None:
    pools, outer = condor_pool("far")
    file = tmp_path / "pool.yaml"
    file.write_text(_FILE.format(outer=outer))
    done = pools("up", str(file))
    assert done.returncode == 0, done.stderr
    try:
        pools.python("glide", _SUBMIT)
        until(lambda: not pools.status("glide")["jobs"])
        name = pools.status("glide")["workers"][0]["name"]
        until(lambda: all(one["phase"] == "over" for one in pools.status("glide")["workers"]))
        until(lambda: not pools.status(outer)["jobs"])
        assert "dodas worker: running" in pools("logs", "glide", "--worker", name).stdout
    finally:
        done = pools("down", "glide", "--force")
    assert done.returncode == 0, done.stderr


def test_the_job_of_a_worker() -> None:
    pool = parse(_FILE.format(outer="another"), "pool.yaml")
    (job,) = render(pool, pool.flavour("small"))
    for line in (
        "arguments = pilot pilot.json",
        "encrypt_input_files = token",
        "request_memory = 500",
        "accounting_group = dodas.test",
    ):
        assert f"{line}\n" in job.text
    assert job.text.endswith("queue\n")


def test_a_held_job_has_failed() -> None:
    ad = {"DodasWorkerName": "w", "JobStatus": 5, "ClusterId": 1, "ProcId": 0, "HoldReason": "no\ndisk"}
    one = seen(ad)
    assert (one.state, one.handle, one.reason) == (State.FAILED, "1.0", "no disk")
