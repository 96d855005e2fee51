"""A pool whose workers are Jobs of Kubernetes: HTCondor in Pods, from zero to zero."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from condor_pool import Pools, with_image
from dodas.pool import image
from servers.kubernetes_cluster import KINDS, USER, Cluster, kubeconfig, real, stand_in

pytestmark = pytest.mark.slow

_FILE = """\
dodas: 1
name: pods
providers:
  cluster: {{kind: kubernetes, kubeconfig: kubeconfig, namespace: {namespace}}}
flavours:
  small:
    provider: cluster
    image: registry.test/htcondor:1
    cores: 1
    memory: 512MiB
    maximum: 2
    lifetime: 10m
    idle: 5s
elasticity: {{interval: 1s, boot: 60s, young: 5s}}
"""
_SUBMIT = """
submit = htcondor2.Submit({
    "executable": "/bin/sleep", "arguments": "1", "transfer_executable": "false",
    "should_transfer_files": "YES", "request_memory": "100", "request_disk": "1MB",
})
print(schedd.submit(submit, count=3).cluster())
"""


@dataclass(frozen=True)
class Described:
    cluster: Cluster
    pools: Pools
    namespace: str

    def workers(self) -> list[str]:
        rows = self.pools.status("pods")["workers"]
        return [str(one["name"]) for one in rows if one["phase"] != "over"]

    def wait(self, done: Callable[[], bool]) -> None:
        """Wait, and tell what there is if it is in vain."""
        deadline = time.monotonic() + 120
        while not done():
            if time.monotonic() > deadline:
                names = [str(one["name"]) for one in self.pools.status("pods")["workers"]]
                said = [self.cluster.log_of(self.namespace, name)[-3000:] for name in names]
                raise AssertionError(f"{self.pools.status('pods')}\n{said}")
            time.sleep(0.5)  # each look is a process, and the pool has the same processors


@pytest.fixture(params=KINDS)
def described(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Described]:
    pytest.importorskip("htcondor2", reason="the extra dodas[htcondor] is not installed")
    with_image()
    run = {"stand-in": stand_in, "real": real}[request.param]
    (tmp_path / "cluster").mkdir()
    with run(tmp_path / "cluster", Path(image.root("").path)) as cluster:
        namespace = cluster.namespace()
        config = kubeconfig(cluster.server, cluster.pki, {"token": USER})
        (tmp_path / "kubeconfig").write_text(yaml.safe_dump(config))
        (tmp_path / "pool.yaml").write_text(_FILE.format(namespace=namespace))
        pools = Pools(state=tmp_path / "state")
        done = pools("up", str(tmp_path / "pool.yaml"))
        assert done.returncode == 0, done.stderr
        try:
            yield Described(cluster, pools, namespace)
        finally:
            pools("down", "pods", "--force")
            cluster.empty()


def test_workers_in_pods_come_for_jobs_and_go_after_them(described: Described) -> None:
    pools = described.pools
    assert described.workers() == []
    pools.python("pods", _SUBMIT)
    described.wait(lambda: bool(described.workers()))
    name = described.workers()[0]
    described.wait(lambda: "dodas worker: running" in pools("logs", "pods", "--worker", name).stdout)
    described.wait(lambda: sum(pools.status("pods")["jobs"].values()) == 0)
    described.wait(lambda: described.workers() == [])
    assert "dodas worker: over" in described.cluster.log_of(described.namespace, name)
