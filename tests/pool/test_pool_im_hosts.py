"""A real Infrastructure Manager that makes hosts with SSH servers, and lets Ansible start workers there.

The hosts are network namespaces.  It takes minutes, wants root, and is run with ``DODAS_TEST_IM_HOSTS=1``.
"""

from __future__ import annotations

import functools
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

import im_sshd
from dodas.pool.description.model import Flavour, PoolDescription, Setting
from dodas.pool.providers import im, im_memory
from dodas.pool.providers.base import Provider, Seen, State, Worker
from pool_clouds import ENCODED, TOKEN, await_seen, cloud_pool, setup_of, workers_of
from servers.im_server import HERE, ImServer, python_of_manager
from servers.ports import until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1500),
    pytest.mark.skipif(
        os.environ.get("DODAS_TEST_IM_HOSTS") != "1", reason="takes minutes; set DODAS_TEST_IM_HOSTS=1"
    ),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root makes hosts out of network namespaces"),
]

GATEWAY = "172.31.77.1"
MINUTES = 8.0

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


class Hosts:
    """The hosts of a test, and the Infrastructure Manager that makes them."""

    def __init__(self, place: Path) -> None:
        sshd = im_sshd.bring()
        if sshd is None or not shutil.which("ip"):
            pytest.skip("no SSH server or no `ip` for hosts")
        self.place = place
        place.mkdir()
        self.environ = {
            "DODAS_HOSTS": str(place),
            "DODAS_HOSTS_SSHD": str(sshd),
            "DODAS_HOSTS_ANSIBLE": str(python_of_manager().parent.parent),
            "LD_PRELOAD": "",
        }

    def call(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Call the script that makes hosts."""
        command = [str(HERE / "im_host.sh"), *arguments]
        environ = {**os.environ, **self.environ}
        return subprocess.run(command, env=environ, check=False, capture_output=True, text=True)

    def names(self) -> list[str]:
        """Return the hosts that were made."""
        return sorted(path.name for path in self.place.iterdir() if path.is_dir())

    def up(self) -> list[str]:
        """Return the hosts that are up."""
        return [name for name in self.names() if self.call("status", name).returncode == 0]

    def of(self, worker: Worker) -> tuple[str, Path]:
        """Return the host of a worker, and the directory of the worker as this system sees it."""
        for name in self.names():
            root = self.call("root", name).stdout.strip()
            directory = Path(root, "var", "lib", "dodas", worker.name)
            if root and directory.exists():
                return name, directory
        return "", self.place / "none"

    def said(self, worker: Worker) -> str:
        """Return what the pilot of a worker printed."""
        log = self.of(worker)[1] / "pilot.log"
        return log.read_text() if log.exists() else ""


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[Hosts]:
    made = Hosts(tmp_path / "hosts")
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
    subprocess.run(["ip", "link", "add", "dodasbr0", "type", "bridge"], check=False, capture_output=True)
    subprocess.run(["ip", "address", "replace", f"{GATEWAY}/24", "dev", "dodasbr0"], check=True)
    subprocess.run(["ip", "link", "set", "dodasbr0", "up"], check=True)
    handler = functools.partial(SimpleHTTPRequestHandler, directory=str(tmp_path / "workers"))
    with ThreadingHTTPServer((GATEWAY, 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://{GATEWAY}:{server.server_port}/worker"
        server.shutdown()
    subprocess.run(["ip", "link", "delete", "dodasbr0"], check=False)


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
