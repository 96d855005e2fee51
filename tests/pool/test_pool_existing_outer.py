"""Workers that are jobs of a pool which only the user's own configuration knows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from condor_pool import Pools, until

_FILE = """\
dodas: 1
name: inner
providers:
  outer: {{kind: htcondor{where}}}
flavours:
  small: {{provider: outer, cores: 1, memory: 500MiB, maximum: 1, lifetime: 10m, idle: 8s}}
elasticity: {{interval: 1s, boot: 60s, young: 5s}}
"""
_SUBMIT = """
submit = htcondor2.Submit({
    "executable": "/bin/hostname", "transfer_executable": "false", "should_transfer_files": "YES",
    "when_to_transfer_output": "ON_EXIT", "request_memory": "100", "request_disk": "1MB",
})
print(schedd.submit(submit).cluster())
"""


@pytest.mark.slow
@pytest.mark.parametrize("named", [False, True], ids=["of this host", "by address"])
def test_the_outer_pool_is_that_of_the_users_configuration(
    condor_pool: Callable[[str], tuple[Pools, str]], tmp_path: Path, named: bool
) -> None:
    pools, outer = condor_pool("far")
    status = pools.status(outer)
    file = tmp_path / "pool.yaml"
    file.write_text(_FILE.format(where=f", pool: '{status['collector']}'" if named else ""))
    done = pools("up", str(file), CONDOR_CONFIG=status["condor_config"])
    assert done.returncode == 0, done.stderr
    try:
        pools.python("inner", _SUBMIT)
        until(lambda: not pools.status("inner")["jobs"])
    finally:
        done = pools("down", "inner", "--force")
    assert done.returncode == 0, done.stderr
    until(lambda: not pools.status(outer)["jobs"])
