"""Passwords are found where udocker, Podman and Docker keep them, and kept where udocker finds them."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from dodas.containers import keystore
from dodas.containers.credentials import Login, find_login
from dodas.containers.registry.challenge import read_challenges
from dodas.containers.registry.login import registry_host
from dodas.errors import SpecError
from needs import need

SECRET = "p:ä ss'\"\\"
AUTH = base64.b64encode(f"anna:{SECRET}".encode()).decode()


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("UDOCKER_KEYSTORE", "REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR", "DOCKER_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def write(path: Path, content: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def find(registry: str = "quay.io", repository: str = "a/b") -> tuple[str, str] | None:
    login = find_login(f"https://{registry}", registry=registry, repository=repository)
    return (login.user, login.secret) if login else None


def test_nothing_kept_is_no_error() -> None:
    assert find() is None


def test_a_secret_is_not_shown() -> None:
    assert SECRET not in repr(Login(user="anna", secret=SECRET))


def udocker(*words: str, password: str) -> None:
    udocker_program = Path(sys.executable).with_name("udocker")
    program = str(udocker_program) if udocker_program.exists() else need("udocker")
    root = ["--allow-root"] if os.geteuid() == 0 else []
    subprocess.run(
        [program, *root, *words],
        input=f"{password}\n".encode(),
        check=True,
        capture_output=True,
        env={**os.environ, "UDOCKER_TARBALL": "", "UDOCKER_DIR": f"{os.environ['HOME']}/.udocker"},
    )


@pytest.mark.parametrize("place", ["", "elsewhere"])
def test_reads_what_udocker_login_wrote(place: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if place:
        (home / place).mkdir()
        monkeypatch.setenv("UDOCKER_KEYSTORE", str(home / place / "keystore"))
    udocker("login", "--username=anna", "--password-stdin", "--registry=https://quay.io", password="pässword")
    assert find() == ("anna", "pässword")
    # What was kept for https is not given to whoever answers without it.
    assert find_login("http://quay.io", registry="quay.io") is None


def test_udocker_reads_what_is_remembered(home: Path) -> None:
    keystore.remember("https://quay.io", "anna", SECRET)
    check = (
        "import sys; from udocker.helper.keystore import KeyStore;"
        "k = KeyStore(sys.argv[1]); print(k.get('https://quay.io')); print(k.put('https://x', 'YTpi', ''))"
    )
    path = str(home / ".udocker" / "keystore")
    done = subprocess.run([sys.executable, "-c", check, path], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [AUTH, "0"]
    assert (home / ".udocker" / "keystore").stat().st_mode & 0o777 == 0o600
    assert find() == ("anna", SECRET)


def test_forgets_one_and_keeps_the_others(home: Path) -> None:
    keystore.remember("https://quay.io", "anna", SECRET)
    keystore.remember("https://ghcr.io", "ben", "other")
    assert keystore.forget("https://quay.io", "quay.io")
    assert not keystore.forget("https://quay.io")
    assert find() is None
    assert find("ghcr.io") == ("ben", "other")
    assert [path.name for path in (home / ".udocker").iterdir()] == ["keystore"]


def test_many_log_in_at_once() -> None:
    threads = [
        threading.Thread(target=keystore.remember, args=(f"https://r{number}.org", "anna", "x"))
        for number in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(find(f"r{number}.org") for number in range(12))


def test_a_linked_keystore_stays_a_link(home: Path) -> None:
    (home / ".udocker").mkdir()
    (home / "real").mkdir()
    (home / ".udocker" / "keystore").symlink_to(home / "real" / "store")
    keystore.remember("https://quay.io", "anna", SECRET)
    assert (home / ".udocker" / "keystore").is_symlink()
    assert find() == ("anna", SECRET)


@pytest.mark.parametrize(
    ("registry", "key"),
    [
        ("quay.io", "quay.io"),
        ("quay.io", "https://quay.io"),
        ("quay.io", "https://quay.io/v2/"),
        ("quay.io", "quay.io/a"),
        ("quay.io", "quay.io/a/b"),
        ("localhost:5000", "localhost:5000"),
        ("docker.io", "https://index.docker.io/v1/"),
        ("docker.io", "docker.io"),
    ],
)
def test_reads_dockers_configuration(registry: str, key: str, home: Path) -> None:
    write(home / ".docker" / "config.json", {"auths": {key: {"auth": AUTH}, "other.org": {"auth": "eDp5"}}})
    assert find(registry) == ("anna", SECRET)


def test_the_narrowest_entry_counts(home: Path) -> None:
    entries = {"quay.io": {"auth": "eDp5"}, "quay.io/a": {"auth": AUTH}, "quay.io/a/c": {"auth": "eDp5"}}
    write(home / ".docker" / "config.json", {"auths": entries})
    assert find() == ("anna", SECRET)
    assert find(repository="z") == ("x", "y")


def test_podmans_files_come_before_dockers(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(home / ".docker" / "config.json", {"auths": {"quay.io": {"auth": "ZDpkb2NrZXI="}}})
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(home / "run"))
    assert find() == ("d", "docker")
    write(home / "run" / "containers" / "auth.json", {"auths": {"quay.io": {"auth": "cDpwb2RtYW4="}}})
    assert find() == ("p", "podman")
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(write(home / "my", {"auths": {"quay.io": {"auth": AUTH}}})))
    assert find() == ("anna", SECRET)


def helper(home: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    (home / "bin").mkdir()
    program = home / "bin" / "docker-credential-vault"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{home / 'bin'}:{os.environ['PATH']}")


@pytest.mark.parametrize("config", [{"credsStore": "vault"}, {"credHelpers": {"docker.io": "vault"}}])
def test_asks_dockers_helpers(config: object, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    helper(home, monkeypatch, """test "$1" = get && printf '{"Username":"%s","Secret":"s"}' "$(cat)" """)
    write(home / ".docker" / "config.json", config)
    assert find("docker.io") == ("https://index.docker.io/v1/", "s")


def test_a_helper_may_keep_a_token(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    helper(home, monkeypatch, """printf '{"Username":"<token>","Secret":"t"}'""")
    write(home / ".docker" / "config.json", {"credsStore": "vault"})
    found = find_login("https://quay.io", registry="quay.io")
    assert found is not None
    assert found.identity_token
    write(home / ".docker" / "config.json", {"auths": {"ghcr.io": {"identitytoken": "t"}}})
    assert find_login("https://ghcr.io", registry="ghcr.io") == Login(
        user="", secret="t", identity_token=True
    )


@pytest.mark.parametrize(
    "script", ["echo 'credentials not found'; exit 1", "exit 0", "echo '[]'", "echo '{}'"]
)
def test_a_helper_without_an_answer_is_passed_over(
    script: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    helper(home, monkeypatch, script)
    write(home / ".docker" / "config.json", {"credsStore": "vault", "auths": {"quay.io": {"auth": AUTH}}})
    assert find() == ("anna", SECRET)


@pytest.mark.parametrize("name", ["desktop-of-another-machine", "../bin/sh", "/bin/sh", "", 7])
def test_a_helper_that_is_not_here_is_passed_over(name: object, home: Path) -> None:
    write(home / ".docker" / "config.json", {"credsStore": name, "auths": {"quay.io": {"auth": AUTH}}})
    assert find() == ("anna", SECRET)


@pytest.mark.parametrize("auths", [[], "x", {"quay.io": "x"}, {"quay.io": {}}, {"quay.io": {"auth": "%"}}])
def test_odd_entries_are_passed_over(auths: object, home: Path) -> None:
    write(home / ".docker" / "config.json", {"auths": auths})
    assert find() is None


def test_a_damaged_file_is_named_and_not_quoted(home: Path) -> None:
    write(home / ".udocker" / "keystore", {}).write_text(f'{{"https://quay.io": {AUTH}')
    with pytest.raises(SpecError) as caught:
        find()
    assert str(home / ".udocker" / "keystore") in str(caught.value)
    assert AUTH not in str(caught.value)
    with pytest.raises(SpecError):  # and is not overwritten
        keystore.remember("https://quay.io", "a", "b")


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ('Basic realm="x"', {"basic": {"realm": "x"}}),
        (
            'Bearer realm="https://a/token?x=1",service="s",scope="repository:a/b:pull,push"',
            {"bearer": {"realm": "https://a/token?x=1", "service": "s", "scope": "repository:a/b:pull,push"}},
        ),
        (
            'Negotiate, Basic realm="a, b", bearer Realm=https://t , service = "q\\"x"',
            {"basic": {"realm": "a, b"}, "bearer": {"realm": "https://t", "service": 'q"x'}},
        ),
        ("", {}),
        ("Negotiate", {}),
        (',,= "', {}),
    ],
)
def test_challenges(header: str, expected: dict[str, dict[str, str]]) -> None:
    found = read_challenges(header)
    assert {scheme: dict(challenge.parameters) for scheme, challenge in found.items()} == expected


def test_hosts_of_registries() -> None:
    assert registry_host("https://quay.io/") == "quay.io"
    assert registry_host("localhost:5000") == "localhost:5000"
    assert registry_host("index.docker.io") == "docker.io"
    for wrong in ("", "debian", "quay.io/a", "a b", "ftp://x.y"):
        with pytest.raises(SpecError):
            registry_host(wrong)
