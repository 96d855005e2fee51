"""What a pool refuses: strangers, hostile names, what cannot be."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from condor_pool import Pools
from dodas.pool import tokens

# Tries what a stranger might, and prints what worked.
STRANGER = """
import sys
import classad2, htcondor2
collector, address, *wanted = sys.argv[1:]
schedd = classad2.ClassAd({"MyType": "Scheduler", "Name": "x", "MyAddress": address,
                           "CondorVersion": htcondor2.version()})
slot = classad2.ClassAd({"MyType": "Machine", "Name": "evil", "MyAddress": "<127.0.0.1:9>"})
tries = {
    "see": lambda: htcondor2.Collector(collector).query(htcondor2.AdType.Any),
    "advertise": lambda: htcondor2.Collector(collector).advertise([slot], "UPDATE_STARTD_AD"),
    "list": lambda: htcondor2.Schedd(schedd).query(),
    "submit": lambda: htcondor2.Schedd(schedd).submit(htcondor2.Submit({"executable": "/bin/true"})),
    "stop": lambda: htcondor2.send_command(schedd, htcondor2.DaemonCommand.OffFast),
}
for name in wanted or tries:
    try:
        tries[name]()
    except htcondor2.HTCondorException:
        continue
    print(name)
"""


def attempt(
    pools: Pools,
    name: str,
    place: Path,
    changes: dict[str, str],
    *,
    prefix: tuple[str, ...] = (),
    tries: tuple[str, ...] = (),
) -> list[str]:
    """Return what a client with a changed configuration can do at a pool."""
    root = Path(pools.status(name)["directory"])
    text = (root / "condor_config").read_text()
    text = re.sub(r"^(SCHEDD_|SEC_TOKEN_DIRECTORY|LOCAL_DIR).*\n", "", text, flags=re.MULTILINE)
    text += f"LOCAL_DIR = {place}\n" + "".join(f"{name} = {value}\n" for name, value in changes.items())
    config, script = place / "config", place / "stranger.py"
    config.write_text(text)
    script.write_text(STRANGER)
    address = (root / "head/run/schedd.address").read_text().splitlines()[0]
    done = subprocess.run(
        [*prefix, sys.executable, str(script), pools.status(name)["collector"], address, *tries],
        env={"PATH": os.environ["PATH"], "CONDOR_CONFIG": str(config), "HOME": str(place)},
        text=True,
        capture_output=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.parametrize(
    "changes",
    [
        {"SEC_DEFAULT_AUTHENTICATION": "NEVER"},
        {"SEC_DEFAULT_AUTHENTICATION_METHODS": "CLAIMTOBE, ANONYMOUS"},
        {"SEC_DEFAULT_AUTHENTICATION_METHODS": "IDTOKENS", "SEC_TOKEN_DIRECTORY": "/nonexistent"},
    ],
    ids=["unauthenticated", "anonymous", "without a token"],
)
def test_nobody_gets_in_without_saying_who_he_is(
    condor_pool: Callable[[str], tuple[Pools, str]], tmp_path: Path, changes: dict[str, str]
) -> None:
    pools, name = condor_pool("shared")
    assert attempt(pools, name, tmp_path, changes) == []


def test_the_token_of_the_user_opens_and_that_of_a_node_or_another_pool_does_not(
    condor_pool: Callable[[str], tuple[Pools, str]], tmp_path: Path
) -> None:
    pools, name = condor_pool("shared")
    root = Path(pools.status(name)["directory"])
    by_token = {"SEC_DEFAULT_AUTHENTICATION_METHODS": "IDTOKENS"}
    mine = {**by_token, "SEC_TOKEN_DIRECTORY": str(root / "tokens.d")}
    assert attempt(pools, name, tmp_path, mine, tries=("see", "list")) == ["see", "list"]

    node = {**by_token, "SEC_TOKEN_DIRECTORY": str(root / "node/tokens.d")}
    assert attempt(pools, name, tmp_path, node) == ["see", "advertise"]

    (tmp_path / "forged").mkdir(mode=0o700)
    tokens.make_key(str(tmp_path / "forged"))
    domain = re.search(r"^UID_DOMAIN = (.*)$", (root / "condor_config").read_text(), re.MULTILINE)
    assert domain is not None
    folder = tmp_path / "tokens"
    folder.mkdir(mode=0o700)
    identity = f"condor@{domain[1]}"
    tokens.make_token(str(folder), "t", key=str(tmp_path / "forged"), issuer=domain[1], identity=identity)
    assert attempt(pools, name, tmp_path, {**by_token, "SEC_TOKEN_DIRECTORY": str(folder)}) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_another_user_of_the_host_is_refused(
    condor_pool: Callable[[str], tuple[Pools, str]], tmp_path: Path
) -> None:
    pools, name = condor_pool("shared")
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == 0 and not folder.stat().st_mode & 0o001:
            folder.chmod(folder.stat().st_mode | 0o011)
    other = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    seen = subprocess.run(
        [*other, sys.executable, "-c", "import htcondor2"], check=False, capture_output=True
    )
    if seen.returncode != 0:
        pytest.skip("the Python of these tests is not readable by others")
    assert attempt(pools, name, tmp_path, {}, prefix=other) == []


def test_all_secrets_are_the_users_alone(condor_pool: Callable[[str], tuple[Pools, str]]) -> None:
    pools, name = condor_pool("shared")
    root = Path(pools.status(name)["directory"])
    assert root.stat().st_mode & 0o777 == 0o700
    secret = [*root.glob("**/tokens.d/*"), *root.glob("**/passwords.d/*")]
    assert len(secret) >= 3
    assert {path.stat().st_mode & 0o777 for path in secret} == {0o600}
    written = b"".join(path.read_bytes() for path in root.glob("*/log/*") if path.is_file())
    for path in root.glob("**/tokens.d/*"):
        assert path.read_bytes().strip().split(b".")[2] not in written


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a/b", "../x", "a b", "-x", "é", "a.b", "x" * 33, "a\nb", "$(HOME)", "'"]
)
def test_names_that_cannot_be(pools: Pools, name: str) -> None:
    for words in (("up", "--local", f"--name={name}"), ("status", "--", name), ("down", "--", name)):
        done = pools(*words)
        assert done.returncode == 1
        assert "cannot be the name of a pool" in done.stderr
        assert "Traceback" not in done.stderr
    assert not (pools.state / "pools").exists()


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("--cpus", "0"), "not a number of processors"),
        (("--cpus", "-1"), "not a number of processors"),
        (("--cpus", "many"), "not a number of processors"),
        (("--memory", "1"), "less than a mebibyte"),
        (("--memory", "lots"), "not a size"),
        (("--image", "localhost/no/such:image"), "localhost"),
        (("--image", "UPPER CASE"), "UPPER CASE"),
    ],
)
def test_options_that_cannot_be(pools: Pools, options: tuple[str, ...], complaint: str) -> None:
    done = pools("up", "--local", *options)
    assert done.returncode == 1
    assert complaint in done.stderr
    assert "Traceback" not in done.stderr
    assert not any((pools.state / "pools").glob("*"))


def test_a_living_pool_does_not_change(condor_pool: Callable[[str], tuple[Pools, str]]) -> None:
    pools, name = condor_pool("shared")
    for option in (("--cpus", "1"), ("--no-shared-disk",), ("--image", "debian:12")):
        done = pools("up", "--local", "--name", name, *option)
        assert done.returncode == 1
        assert f"dodas pool down {name}" in done.stderr


def test_without_an_image_and_without_packages_the_error_says_what_to_do(
    pools: Pools, tmp_path: Path
) -> None:
    empty = {"UDOCKER_DIR": str(tmp_path / "store"), "DODAS_CACHE": str(tmp_path / "cache")}
    done = pools("up", "--local", PATH=str(tmp_path), **empty)
    assert done.returncode == 1
    assert "apt-get" in done.stderr
    assert "--image" in done.stderr
    assert not any((pools.state / "pools").glob("*"))


def test_a_pool_that_does_not_come_up_says_why(pools: Pools, tmp_path: Path) -> None:
    pools.up("p")
    pools("down", "p")
    done = pools("up", "--local", "--name", "p", DODAS_SCRATCH=str(tmp_path / "x" / "\0".replace("\0", "")))
    assert done.returncode == 0, "a scratch directory is made"
    pools("down", "p")
    (tmp_path / "file").touch()
    done = pools(
        "up", "--local", "--name", "p", DODAS_SCRATCH=str(tmp_path / "file"), DODAS_ENGINE="namespace"
    )
    assert done.returncode == 1
    assert str(tmp_path / "file") in done.stderr
    assert "Traceback" not in done.stderr


def test_a_state_directory_of_somebody_else_is_refused(pools: Pools, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = pools("up", "--local", DODAS_STATE=str(tmp_path / "file"))
    assert done.returncode == 1
    assert "DODAS_STATE" in done.stderr
