"""A real Infrastructure Manager that makes hosts with SSH servers, and lets Ansible start workers there.

The hosts are network namespaces.  One test has a real worker and a real job; in the others a script stands
for the worker, so that many come and go.  All take minutes, want root, and are run with
``DODAS_TEST_IM_HOSTS=1``.
"""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import smallimage
from condor_pool import Pools, with_image
from dodas.containers.packages import build
from dodas.node.build import worker_file
from dodas.pool import image
from dodas.pool.description.model import Flavour, PoolDescription, Setting
from dodas.pool.providers import im, im_memory
from dodas.pool.providers.base import Provider, Seen, State, Worker
from needs import need
from pool_clouds import ENCODED, TOKEN, await_seen, cloud_pool, setup_of, workers_of
from pool_visits import run_tool
from registry_server import run_registry
from servers.im_hosts import GATEWAY, Hosts, gateway, web
from servers.im_server import ImServer
from servers.pki import Pki
from servers.ports import until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1500),
    pytest.mark.skipif(
        os.environ.get("DODAS_TEST_IM_HOSTS") != "1", reason="takes minutes; set DODAS_TEST_IM_HOSTS=1"
    ),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root makes hosts out of network namespaces"),
]

MINUTES = 8.0

# Real workers on real pools, through hosts of the Infrastructure Manager.
REAL = """\
dodas: 1
name: clouds
manager: {{host: {gateway}}}
providers:
  cloud:
    kind: im
    url: {manager.url}
    authorization_file: {manager.authorization}
    inputs: {{worker_url: "https://{web}/worker"}}
flavours:
  small:
    provider: cloud
    cores: 1
    memory: 512MiB
    maximum: 1
    lifetime: 1h
    idle: 5s
    image: {web}/dodas/htcondor:1
    im: {{image_id: "netns://host/image"}}
elasticity: {{interval: 2s, boot: 9m, young: 1s, idle_pool: 4s}}
"""
TOOL = f"""\
cwlVersion: v1.2
class: CommandLineTool
hints: {{DockerRequirement: {{dockerPull: "{smallimage.NAME}"}}}}
baseCommand: [/bin/sh, -c, "cat /marker /proc/sys/kernel/hostname"]
inputs: []
outputs: {{said: stdout}}
stdout: said.txt
"""

# Stands for the worker file: runs until it is told to end, and says so.
PILOT = """\
#!/bin/sh
[ "$1" = pilot ] && exec "$0" "stand-in for a pilot with" "$2"  # which other tests do not take for theirs
echo "$(id -un) runs a $1 $2 and $(wc -c <token) bytes of token"
trap 'echo told; exit 0' TERM
trap 'echo hung up; exit 1' HUP INT QUIT
while [ ! -e end ]; do sleep 1; done
echo over
"""


@pytest.fixture
def hosts(pki: Pki, tmp_path: Path) -> Iterator[Hosts]:
    made = Hosts(tmp_path / "hosts", pki)
    yield made
    for name in made.names():
        made.call("stop", name)


@pytest.fixture
def manager(hosts: Hosts, tmp_path: Path) -> Iterator[ImServer]:
    settings = {"PRIVATE_NET_MASKS": ["192.168.0.0/16"], "WAIT_SSH_ACCCESS_TIMEOUT": 60}
    with ImServer(tmp_path / "im", cloud="Netns", settings=settings, environ=hosts.environ) as server:
        yield server


@pytest.fixture
def files(hosts: Hosts, tmp_path: Path) -> Iterator[str]:
    """Return the address of what is in ``workers``, for hosts."""
    handler = functools.partial(SimpleHTTPRequestHandler, directory=str(tmp_path / "workers"))
    with gateway() as address, ThreadingHTTPServer((address, 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://{address}:{server.server_port}/worker"
        server.shutdown()


def await_pilots(hosts: Hosts, cloud: Provider, workers: Sequence[Worker]) -> None:
    """Wait until the pilots of workers run; fail as soon as one cannot."""

    def run() -> bool:
        time.sleep(1)  # each look starts a process for each host
        failed = [one for one in cloud.list() if one.state is State.FAILED]
        assert not failed, f"{failed[0]}\n{cloud.logs(failed[0].worker)}"
        return all("stand-in" in hosts.said(worker) for worker in workers)

    until(run, what="pilots", seconds=MINUTES * 60)


def await_configured(cloud: Provider, state: Path, count: int) -> None:
    """Wait until Ansible is through on so many machines."""

    def are() -> bool:
        time.sleep(1)
        assert all(one.state is State.RUNNING for one in cloud.list())
        machines = im_memory.load(str(state / "machines.json")).machines.values()
        return sum(one.ready for one in machines) == count

    until(are, what="the end of Ansible", seconds=MINUTES * 60)


def ended(worker: Worker) -> Callable[[Sequence[Seen]], bool]:
    def is_so(seen: Sequence[Seen]) -> bool:
        return any(one.worker == worker.name and one.state is State.ENDED for one in seen)

    return is_so


def pool_of(manager: ImServer, files: str) -> PoolDescription:
    settings: list[tuple[str, Setting]] = [
        ("url", manager.url),
        ("authorization_file", str(manager.authorization)),
        ("inputs", (("worker_url", files),)),
    ]
    flavour = Flavour(name="small", provider="cloud", settings=(("image_id", "netns://host/image"),))
    return cloud_pool("real", "im", settings, [flavour])


def test_workers_come_are_replaced_end_and_go(
    hosts: Hosts, manager: ImServer, files: str, tmp_path: Path
) -> None:
    pool = pool_of(manager, files)
    cloud = im.make(setup_of(pool, tmp_path / "state"))
    first, second, third, fourth = workers_of(pool, tmp_path / "workers", 4)
    (tmp_path / "workers" / "worker").write_text(PILOT)

    cloud.launch([first, second])
    await_pilots(hosts, cloud, [first, second])
    _, directory = hosts.of(first)
    assert hosts.said(first).startswith("dodas runs a stand-in")
    assert f"/var/lib/dodas/{first.name}/pilot.json" in hosts.said(first)
    assert (directory / "token").read_text() == TOKEN
    assert (directory / "token").stat().st_mode & 0o077 == 0
    assert (directory / "pilot.json").read_text() == Path(first.directory, "pilot.json").read_text()

    cloud.launch([third])  # Ansible comes to all hosts again
    await_pilots(hosts, cloud, [third])
    await_configured(cloud, tmp_path / "state", 3)
    for worker in (first, second, third):
        assert hosts.said(worker).splitlines()[1:] == []

    hosts.call("stop", hosts.of(second)[0])  # as a machine dies
    await_seen(cloud, ended(second), what="the end of a machine")
    cloud.launch([fourth])
    await_pilots(hosts, cloud, [fourth])

    (hosts.of(third)[1] / "end").touch()  # its own end switches a machine off
    await_seen(cloud, ended(third), what="the end of a worker")
    cloud.terminate([third.name, fourth.name])
    assert {one.worker for one in cloud.list()} == {first.name}
    assert len(hosts.up()) == 1
    cloud.terminate([first.name])
    assert cloud.list() == []
    until(lambda: hosts.up() == [], what="the end of all machines")


def test_a_worker_program_that_is_another_one_is_not_run(
    hosts: Hosts, manager: ImServer, files: str, tmp_path: Path
) -> None:
    pool = pool_of(manager, files)
    cloud = im.make(setup_of(pool, tmp_path / "state"))
    [worker] = workers_of(pool, tmp_path / "workers", 1)
    program = tmp_path / "workers" / "worker"
    sent = tmp_path / "sent"
    sent.write_text(PILOT)
    program.write_text("#!/bin/sh\necho stranger\n")
    cloud.launch([replace(worker, program=str(sent))])
    [seen] = await_seen(
        cloud, lambda seen: seen[0].state is State.FAILED, what="a failure", seconds=MINUTES * 60
    )
    assert "checksum" in seen.reason, cloud.logs(worker.name)
    assert TOKEN not in cloud.logs(worker.name)
    assert ENCODED not in cloud.logs(worker.name)
    assert "stranger" not in hosts.said(worker)
    cloud.terminate([worker.name])


@pytest.fixture
def place(pki: Pki, tmp_path: Path) -> Iterator[str]:
    """Return where hosts find the worker file, and a registry that has the image with HTCondor."""
    if shutil.which("python3", path="/usr/local/bin:/usr/bin") is None:
        pytest.skip("this system has no Python for hosts, which are made of it")
    with_image()
    with (
        gateway(),
        run_registry(tmp_path / "registry") as registry,
        web(tmp_path / "web", pki, registry.url) as there,
    ):
        words = ("copy", "--quiet", "--insecure-policy", "--dest-tls-verify=false")
        archive, target = build.build(image.RECIPE), f"{registry.host}/dodas/htcondor:1"
        command = [need("skopeo"), *words, f"docker-archive:{archive}", f"docker://{target}"]
        subprocess.run(command, check=True, capture_output=True)
        shutil.copy(worker_file(), tmp_path / "web" / "files" / "worker")
        yield there


def test_a_workflow_runs_on_a_machine_of_its_own_from_zero_to_zero(
    hosts: Hosts, manager: ImServer, place: str, tmp_path: Path
) -> None:
    pytest.importorskip("htcondor2", reason="the extra dodas[htcondor] is not installed")
    (tmp_path / "pool.yaml").write_text(REAL.format(gateway=GATEWAY, manager=manager, web=place))
    (tmp_path / "tool.cwl").write_text(TOOL)
    smallimage.fill(os.environ["UDOCKER_DIR"], tmp_path)
    pools = Pools(state=tmp_path / "state")
    try:
        assert run_tool(pools, tmp_path, seconds=2 * MINUTES * 60) == f"image\n{hosts.names()[0]}\n"
        until(lambda: hosts.up() == [], what="the end of the machine", seconds=120)
        until(lambda: json.loads(pools("list", "--json").stdout) == [], what="the end of the pool")
    finally:
        pools("down", "clouds", "--force")
    assert not (tmp_path / "state" / "pools").exists()
