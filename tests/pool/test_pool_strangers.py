"""What those may do who are not the pool's user, and what its workers may do: advertise, and no more."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from condor_pool import Pools, with_image
from dodas.pool import tokens, trust

pytestmark = pytest.mark.slow

_FILE = """\
dodas: 1
name: guarded
flavours:
  small: {provider: local, cores: 1, memory: 512MiB, maximum: 1, lifetime: 10m, idle: 5m, minimum: 1}
elasticity: {interval: 1s, boot: 60s, young: 5s}
"""
# With a configuration of one's own, and the tokens in one directory.
_TRY = """
import os, sys
import htcondor2
what = sys.argv[1]
collector = htcondor2.Collector(htcondor2.param["COLLECTOR_HOST"])
if what == "read":
    print(len(list(collector.query(htcondor2.AdType.Startd))))
elif what == "submit":
    ad = htcondor2.Collector(htcondor2.param["COLLECTOR_HOST"]).locate(htcondor2.DaemonType.Schedd)
    schedd = htcondor2.Schedd(ad)
    print(schedd.submit(htcondor2.Submit({"executable": "/bin/true"})).cluster())
elif what == "queue":
    ad = collector.locate(htcondor2.DaemonType.Schedd)
    print(len(list(htcondor2.Schedd(ad).query())), "jobs")
elif what == "advertise":
    import classad2
    ad = {"MyType": "Machine", "Name": "evil@", "MyAddress": "<127.0.0.1:1>", "Machine": "evil"}
    collector.advertise([classad2.ClassAd(ad)], "UPDATE_STARTD_AD")
    print("advertised")
"""


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pools]:
    pytest.importorskip("htcondor2", reason="the extra dodas[htcondor] is not installed")
    with_image()
    folder = tmp_path_factory.mktemp("guarded")
    (folder / "pool.yaml").write_text(_FILE)
    pools = Pools(state=folder / "state")
    done = pools("up", str(folder / "pool.yaml"))
    assert done.returncode == 0, done.stderr
    yield pools
    pools("down", "guarded", "--force")


def _as_other(pools: Pools, folder: Path, what: str, token: Path | None) -> subprocess.CompletedProcess[str]:
    """Try something as somebody who has no more than a token, or not even that."""
    own = folder / "tokens.d"
    shutil.rmtree(own, ignore_errors=True)
    own.mkdir(mode=0o700)
    if token is not None:
        shutil.copy(token, own / "token")
        (own / "token").chmod(0o600)
    config = folder / "condor_config"
    config.write_text(
        f"COLLECTOR_HOST = {pools.status('guarded')['collector']}\n"
        "SEC_DEFAULT_AUTHENTICATION = REQUIRED\nSEC_CLIENT_AUTHENTICATION_METHODS = IDTOKENS\n"
        f"SEC_TOKEN_DIRECTORY = {own}\nSEC_TOKEN_SYSTEM_DIRECTORY = {own}\nNO_DNS = True\n"
        f"DEFAULT_DOMAIN_NAME = {trust.domain('guarded')}\nUSE_SHARED_PORT = True\nENABLE_IPV6 = False\n"
        f"LOCAL_DIR = {folder}\nLOG = {folder}\nUID_DOMAIN = x\n"
    )
    return subprocess.run(
        [sys.executable, "-c", _TRY, what],
        env={**os.environ, "CONDOR_CONFIG": str(config), "HOME": str(folder)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize("what", ["read", "submit", "queue", "advertise"])
def test_a_stranger_can_do_nothing(guarded: Pools, tmp_path: Path, what: str) -> None:
    done = _as_other(guarded, tmp_path, what, None)
    assert done.returncode != 0, done.stdout


@pytest.mark.parametrize("what", ["submit", "queue"])
def test_a_worker_can_neither_submit_nor_see_the_queue(guarded: Pools, tmp_path: Path, what: str) -> None:
    worker = guarded.status("guarded")["workers"][0]["name"]
    token = guarded.state / "pools" / "guarded" / "workers" / worker / "token"
    done = _as_other(guarded, tmp_path, what, token)
    assert done.returncode != 0, done.stdout


def test_a_token_that_is_over_is_none(guarded: Pools, tmp_path: Path) -> None:
    keys = guarded.state / "pools" / "guarded" / "head" / "passwords.d"
    tokens.make_token(
        str(tmp_path),
        "old",
        key=str(keys),
        issuer=trust.domain("guarded"),
        identity=trust.node_identity("guarded"),
        powers=trust.NODE_POWERS,
        seconds=-5,
    )
    done = _as_other(guarded, tmp_path, "advertise", tmp_path / "old")
    assert done.returncode != 0, done.stdout


def test_nothing_listens_but_on_loopback(guarded: Pools) -> None:
    listening = [
        connection
        for process in guarded.processes("guarded")
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert {connection.laddr.ip for connection in listening} == {"127.0.0.1"}


def test_no_secret_is_where_others_look(guarded: Pools) -> None:
    folder = guarded.state / "pools" / "guarded"
    secrets = [path.read_bytes().strip() for path in folder.rglob("token")]
    assert secrets
    for process in psutil.process_iter(["cmdline"]):
        words = " ".join(process.info["cmdline"] or ()).encode()
        assert not any(secret in words for secret in secrets)
    for path in folder.rglob("*"):
        private = {"token", "tokens.d", "passwords.d"} & {path.name, path.parent.name}
        if path.is_file() and not private:
            content = path.read_bytes()
            assert not any(secret in content for secret in secrets), path
    assert not any(secret in json.dumps(guarded.status("guarded")).encode() for secret in secrets)
