"""Workers for a central manager that exists already: they come for its jobs, and go after them."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from condor_pool import Pools, until, with_image
from dodas.pool import image, tokens, trust
from pool_visits import TOOL

pytestmark = pytest.mark.slow

_CENTRAL = """\
dodas: 1
name: central
flavours: {none: {provider: local, maximum: 0}}
"""
_JOINING = """\
dodas: 1
name: joining
manager: {manager}
flavours:
  small:
    {{provider: local, cores: 1, memory: 512MiB, maximum: 2, lifetime: 10m, idle: 4s, shared_disk: {shared}}}
elasticity: {{interval: 1s, boot: 60s, young: 2s}}
"""
_SUBMIT = """
submit = htcondor2.Submit({{
    "executable": "/bin/sleep", "arguments": "{seconds}", "transfer_executable": "false",
    "should_transfer_files": "{transfer}", "request_memory": "100", "request_disk": "1MB",
}})
print(schedd.submit(submit, count={count}).cluster())
"""
_POWERS = trust.NODE_POWERS


@dataclass(frozen=True)
class Central:
    """A central manager that is there, with a queue and without any worker; and what joins it."""

    pools: Pools
    folder: Path

    @property
    def config(self) -> str:
        """CONDOR_CONFIG of its user."""
        return str(self.pools.state / "pools/central/condor_config")

    @property
    def address(self) -> str:
        """Address of its collector."""
        return str(self.pools.status("central")["collector"])

    @property
    def keys(self) -> Path:
        """Directory with its signing key."""
        return self.pools.state / "pools/central/head/passwords.d"

    def token(
        self, *, identity: str = "dodas-node", powers: tuple[str, ...] = _POWERS, seconds: float = 3600
    ) -> str:
        """Return a file with a token of the pool."""
        path = self.folder / "a worker's 'token'"
        path.unlink(missing_ok=True)
        tokens.make_token(
            str(self.folder),
            path.name,
            key=str(self.keys),
            issuer=trust.domain("central"),
            identity=f"{identity}@{trust.domain('central')}",
            powers=powers,
            seconds=seconds,
        )
        return str(path)

    def describe(self, *, shared: bool = True, **changes: object) -> str:
        """Write the file of the pool that joins; ``None`` leaves a field out."""
        manager = {
            "collector": self.address,
            "condor_config": self.config,
            "token_file": self.token(),
            **changes,
        }
        given = json.dumps({name: value for name, value in manager.items() if value is not None})
        file = self.folder / "pool.yaml"
        file.write_text(_JOINING.format(manager=given, shared=str(shared).lower()))
        return str(file)

    def submit(self, count: int = 1, seconds: float = 0, transfer: str = "NO") -> str:
        """Put jobs into the queue, as its user, who need not know of any other pool."""
        return self.pools.python(
            "central", _SUBMIT.format(count=count, seconds=seconds, transfer=transfer)
        ).strip()

    def remove(self, job: str) -> None:
        """Take jobs out of the queue."""
        self.pools.python("central", f"schedd.act(htcondor2.JobAction.Remove, 'ClusterId == {job}')")

    def jobs(self) -> int:
        """Return how many there are in the queue."""
        return sum(self.pools.status("central")["jobs"].values())

    def joining(self) -> dict[str, Any]:
        """Return how the pool is that joins."""
        return self.pools.status("joining")

    def workers(self) -> list[dict[str, Any]]:
        """Return its workers that are not over."""
        return [one for one in self.joining()["workers"] if one["phase"] != "over"]

    @contextmanager
    def up(self, file: str, **environ: str) -> Iterator[None]:
        """Have it up."""
        ok(self.pools("up", file, **environ))
        try:
            yield
        finally:
            ok(self.pools("down", "joining"))


@pytest.fixture(scope="module")
def central(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Central]:
    pytest.importorskip("htcondor2", reason="the extra dodas[htcondor] is not installed")
    with_image()
    folder = tmp_path_factory.mktemp("existing")
    (folder / "central.yaml").write_text(_CENTRAL)
    pools = Pools(state=folder / "état $(HOME) 'of' my pools")
    ok(pools("up", str(folder / "central.yaml")))
    yield Central(pools, folder)
    pools("down", "joining")
    ok(pools("down", "central", "--force"))


def ok(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stderr
    return done.stdout


def agents() -> list[psutil.Process]:
    """Return the processes that follow the queue for the pool that joins."""
    words = ["dodas.pool.agent.process", "joining"]
    return [one for one in psutil.process_iter(["cmdline"]) if (one.info["cmdline"] or [])[-2:] == words]


def pilots() -> list[psutil.Process]:
    """Return the processes that are its workers."""
    return [
        one
        for one in psutil.process_iter(["cmdline"])
        if (one.info["cmdline"] or ["", ""])[-2:-1] == ["pilot"] and "joining-" in one.info["cmdline"][-1]
    ]


def test_from_zero_to_zero(central: Central) -> None:
    with central.up(central.describe()):
        status = central.joining()
        assert (status["state"], status["parts"], status["keeper"]) == ("up", [], 0)
        (agent,) = agents()
        assert status["agent"] == agent.pid
        assert not [one for one in agent.children(recursive=True) if one.name().startswith("condor_")]
        assert (status["collector"], status["schedd"]) == (central.address, "central@")

        central.submit(count=4)
        until(lambda: central.jobs() == 0)
        assert 1 <= len(central.workers()) <= 2
        name = central.joining()["workers"][0]["name"]
        until(lambda: central.workers() == [])
        assert not pilots()

        assert "running" in ok(central.pools("logs", "joining", "--worker", name))
        assert "agent.log: " in ok(central.pools("logs", "joining"))
        assert "launch" in ok(central.pools("explain", "joining"))
        assert "dodas_pool_jobs_idle" in ok(central.pools("metrics", "joining"))
        names = [one["name"] for one in json.loads(ok(central.pools("list", "--json")))]
        assert names == ["central", "joining"]
    assert not agents()


def test_a_workflow_brings_workers_to_a_pool_that_is_found_by_name(central: Central, tmp_path: Path) -> None:
    """With the user's own configuration, and with tokens that HTCondor makes."""
    config = tmp_path / "my condor_config"
    folder = tmp_path / "config.d"
    folder.mkdir()
    (folder / "10-key").write_text(f"SEC_PASSWORD_DIRECTORY = {_literal(str(central.keys))}\n")
    (folder / "20-key").write_text("SEC_TOKEN_POOL_SIGNING_KEY_FILE = $(SEC_PASSWORD_DIRECTORY)/dodas\n")
    # What is named here would win over what the pool's own configuration says of the collector.
    (folder / "30-key").write_text("SEC_TOKEN_ISSUER_KEY = dodas\nCOLLECTOR_HOST = nowhere.invalid\n")
    config.write_text(f"include : {_literal(central.config)}\nLOCAL_CONFIG_DIR = {folder}\n")
    port = central.address.rpartition(":")[2]
    changes: dict[str, Any] = {"collector": f"localhost:{port}", "condor_config": None, "token_file": None}
    file = central.describe(**changes)
    (tmp_path / "tool.cwl").write_text(TOOL)
    environ = {"PATH": with_commands(tmp_path / "bin"), "CONDOR_CONFIG": str(config)}
    try:
        done = subprocess.run(
            [sys.executable, "-m", "dodas", "cwl", "--pool", file, "tool.cwl"],
            cwd=tmp_path,
            env=central.pools.environment(**environ),
            capture_output=True,
            text=True,
            check=False,
            timeout=150,
        )
        assert done.returncode == 0, done.stderr
        assert (tmp_path / "said.txt").read_text() == "made on a worker\n"
        assert "joining-small-" in done.stderr
    finally:
        ok(central.pools("down", "joining"))


def test_tokens_that_the_collector_makes_for_the_user_and_workers_without_a_shared_disk(
    central: Central, tmp_path: Path
) -> None:
    path = with_commands(tmp_path / "bin", "condor_token_fetch")
    with central.up(central.describe(token_file=None, shared=False), PATH=path):
        central.submit(transfer="YES")
        until(lambda: central.jobs() == 0)


def test_jobs_of_others_are_left_alone(central: Central) -> None:
    with central.up(central.describe(users=["bob", "alice@example.org"])):
        job = central.submit()
        assert "jobs of: bob, alice@example.org" in ok(central.pools("status", "joining"))
        assert central.joining()["jobs"] == {}
        assert "START of small refuses it" in ok(central.pools("explain", "joining", job))
        assert central.workers() == []
        # Everybody's are wanted now: what follows the queue learns it.
        ok(central.pools("up", central.describe(users=["*"])))
        until(lambda: central.jobs() == 0)


def test_down_ends_workers_and_leaves_jobs_in_the_queue(central: Central) -> None:
    with central.up(central.describe()):
        job = central.submit(count=2, seconds=100)
        until(lambda: any(one["phase"] == "busy" for one in central.workers()))
        done = ok(central.pools("down", "joining"))
        assert "jobs stay in the queue of central@" in done
        assert not pilots()
        assert not agents()
        assert not (central.pools.state / "pools/joining").exists()
        assert central.jobs() == 2
        central.remove(job)
        ok(central.pools("up", central.describe()))


def test_what_follows_the_queue_is_killed_and_comes_again(central: Central) -> None:
    file = central.describe()
    with central.up(file):
        job = central.submit(seconds=100)
        until(lambda: any(one["phase"] == "busy" for one in central.workers()))
        os.kill(central.joining()["agent"], signal.SIGKILL)
        until(lambda: central.joining()["state"] == "dead")
        assert central.joining()["jobs"] == {"running": 1}
        (worker,) = central.workers()
        assert "already" not in ok(central.pools("up", file))
        assert "already" in ok(central.pools("up", file))
        central.remove(job)
        until(lambda: central.workers() == [])
        assert worker["name"] in {one["name"] for one in central.joining()["workers"]}


def test_the_central_manager_goes_away(central: Central, tmp_path: Path) -> None:
    """Everything still answers, in time, and down still ends what there is."""
    pools = Pools(state=tmp_path / "state")
    (tmp_path / "central.yaml").write_text(_CENTRAL)
    ok(pools("up", str(tmp_path / "central.yaml")))
    other = Central(pools, tmp_path)
    try:
        ok(pools("up", other.describe()))
        ok(pools("down", "central"))
        assert other.joining()["jobs"] is None
        assert "does not answer" in ok(pools("status", "joining"))
        done = pools("explain", "joining")
        assert (done.returncode, "does not answer" in done.stderr) == (1, True)
    finally:
        ok(pools("down", "joining"))
    assert not (tmp_path / "state/pools").exists()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"token_file": None}, "condor_token_create and condor_token_fetch are not on PATH"),
        ({"token_file": "/no/such/file"}, "No such file"),
        ({"schedd": "another@"}, "no queue called another@; it knows central@"),
        ({"trust_domain": "example.org"}, "and this pool is example.org"),
        ({"condor_config": "/no/such/file"}, "there is no file /no/such/file"),
    ],
    ids=["no token", "no such token", "no such queue", "another trust domain", "no such configuration"],
)
def test_what_is_missing_is_said(central: Central, changes: dict[str, Any], said: str) -> None:
    assert said in refused(central, central.describe(**changes))


@pytest.mark.parametrize(
    ("token", "said"),
    [
        ({"powers": ()}, "allows all that its holder may do"),
        ({"powers": (*_POWERS, "WRITE")}, "which jobs beside them could use: WRITE"),
        ({"powers": ("ADVERTISE_MASTER",)}, "lacks ADVERTISE_STARTD"),
        ({"seconds": -5}, "has expired"),
        ({"identity": "stranger"}, "does not let workers in with the token"),
    ],
    ids=["all powers", "more powers", "too few powers", "expired", "a stranger's"],
)
def test_a_token_that_will_not_do(central: Central, token: dict[str, Any], said: str) -> None:
    file = central.describe()
    central.token(**token)
    text = refused(central, file)
    assert said in text
    assert "condor_token_create -identity" in text
    assert Path(central.token()).read_text().split(".")[1] not in text


def test_a_token_that_others_can_read(central: Central) -> None:
    file = central.describe()
    os.chmod(central.folder / "a worker's 'token'", 0o640)
    assert "others can read the token" in refused(central, file)


def test_a_collector_that_is_not_there_or_silent(central: Central) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{other.getsockname()[1]}"
        file = central.describe(collector=address)
        for _ in range(2):
            began = time.monotonic()
            text = refused(central, file)
            assert time.monotonic() - began < 10
            assert f"the collector {address} does not answer" in text
            assert f"condor_status -collector -pool {address}" in text
            other.listen()


def test_who_has_no_token_of_the_pool_is_refused(central: Central, tmp_path: Path) -> None:
    (tmp_path / "config").write_text(
        "SEC_CLIENT_AUTHENTICATION_METHODS = IDTOKENS\nNO_DNS = True\nDEFAULT_DOMAIN_NAME = x\n"
        f"SEC_TOKEN_DIRECTORY = {tmp_path}/none\nSEC_TOKEN_SYSTEM_DIRECTORY = {tmp_path}/none\n"
    )
    text = refused(central, central.describe(condor_config=str(tmp_path / "config")))
    assert "refuses to talk to us" in text
    assert "see that you have a token of this pool" in text


def test_a_pool_does_not_change_its_central_manager(central: Central, tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(_CENTRAL.replace("central", "joining"))
    with central.up(central.describe()):
        for file in (central.describe(collector="127.0.0.1:9"), str(tmp_path / "own.yaml")):
            done = central.pools("up", file)
            assert (done.returncode, "dodas pool down joining" in done.stderr) == (1, True)
        assert central.joining()["state"] == "up"


def refused(central: Central, file: str) -> str:
    """Return why the pool that joins does not come up; nothing may be left of it."""
    done = central.pools("up", file, PATH=str(central.folder))
    assert done.returncode == 1, done.stdout
    assert "Traceback" not in done.stderr
    assert not agents()
    assert [one["name"] for one in json.loads(ok(central.pools("list", "--json")))] == ["central"]
    assert not (central.pools.state / "pools/joining").exists()
    return done.stderr


def with_commands(folder: Path, *names: str) -> str:
    """Return PATH with commands of the HTCondor in the image, which this host may not have."""
    root = image.root("").path
    (library,) = Path(root).glob("usr/lib*/libcondor_utils_*.so")
    (loader,) = Path(root).glob("usr/lib*/ld-linux-*.so.*")
    (system,) = {path.parent for path in Path(root).glob("usr/lib/*-linux-gnu/libc.so.6")}
    folder.mkdir()
    for name in names or ("condor_token_create",):
        places = f"{library.parent}:{system}"
        words = shlex.join([str(loader), "--library-path", places, f"{root}/usr/bin/{name}"])
        # It wants a user condor, or to be told of another.
        (folder / name).write_text(f'#!/bin/sh\nCONDOR_IDS={os.getuid()}.{os.getgid()} exec {words} "$@"\n')
        (folder / name).chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


def _literal(path: str) -> str:
    return re.sub(r"\$", "$(DOLLAR)", path)
