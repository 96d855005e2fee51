"""Pulls from a real registry end in a store that udocker reads."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dodas.containers.reference import Reference
from dodas.containers.registry.patience import Patience
from dodas.containers.registry.platforms import Platform
from dodas.containers.registry.pull import pull
from dodas.containers.store import Store
from dodas.errors import ImageError, ImageNotAllowed, ImageNotFound, RegistryUnreachable, SpecError
from lying_registry import run_liar
from needs import need
from registry_server import OCI, Image, Registry, make_certificate, make_image, make_index, run_registry
from stored import assert_stored, images
from token_server import TokenServer, run_token_server

LOGIN = ("anna", "correct horse")
# What `htpasswd -B` makes of it.
HTPASSWD = "anna:$2y$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2\n"

AMD, ARM = make_image({"which": b"amd"}), make_image({"which": b"arm"}, architecture="arm64")
HERE = AMD if Platform.here().architecture == "amd64" else ARM


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in list(os.environ):
        if name.startswith(("UDOCKER_", "DODAS_REGISTRY", "DODAS_INSECURE", "REGISTRY_AUTH", "XDG_RUNTIME")):
            monkeypatch.delenv(name)
    return tmp_path


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("registries")


@pytest.fixture(scope="module")
def registry(scratch: Path) -> Iterator[Registry]:
    with run_registry(scratch / "open") as running:
        for image, tag in ((HERE, "1.0"), (AMD, "amd"), (ARM, "arm")):
            running.push(image, f"team/tool:{tag}", scratch)
        index = make_index(
            [
                (ARM, {"os": "linux", "architecture": "arm64", "variant": "v8"}),
                (AMD, {"os": "linux", "architecture": "amd64"}),
                (AMD, {"os": "unknown", "architecture": "unknown"}),
            ]
        )
        running.put_manifest("team/tool", "both", index, f"{OCI}index.v1+json")
        yield running


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "store"))


PATIENCE = Patience(sleep=lambda _: None)


def get(store: Store, name: str, platform: str | None = None) -> str:
    return pull(store, Reference.parse(name), platform=platform, patience=PATIENCE).digest


def udocker(store: Store, *words: str, feed: str = "") -> str:
    """Run udocker itself on the store, offline."""
    beside = Path(sys.executable).with_name("udocker")
    program = str(beside) if beside.exists() else need("udocker")
    root = ["--allow-root"] if os.geteuid() == 0 else []
    done = subprocess.run(
        [program, *root, *words],
        input=feed,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "UDOCKER_TARBALL": "", "UDOCKER_DIR": store.root},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("version", ["1.0", f"1.0@{HERE.digest}"])
def test_udocker_makes_a_container_of_what_was_pulled(version: str, registry: Registry, store: Store) -> None:
    name = f"{registry.host}/team/tool:{version}"
    assert get(store, name) == HERE.digest
    if "@" in version:  # udocker's form of a digest
        name = f"{registry.host}/team/tool:{HERE.digest}"
    assert_stored(store, name, HERE)
    container = udocker(store, "create", name).split()[-1]
    assert (Path(store.root) / "containers" / container / "ROOT" / "which").read_bytes()
    udocker(store, "rmi", name)
    assert images(store) == []


def test_dockers_own_format(registry: Registry, store: Store, scratch: Path) -> None:
    """Schema 2 of Docker, which most images on Docker Hub still have."""
    name = f"{registry.host}/team/docker:1"
    subprocess.run(
        [
            *(need("skopeo"), "copy", "--quiet", "--insecure-policy", "--format=v2s2"),
            *("--src-tls-verify=false", "--dest-tls-verify=false"),
            *(f"docker://{registry.host}/team/tool:1.0", f"docker://{name}"),
        ],
        check=True,
    )
    digest = get(store, name)
    assert digest != HERE.digest
    kept = json.loads((Path(store.root) / "repos" / images(store)[0] / "manifest").read_bytes())
    assert kept["mediaType"] == "application/vnd.docker.distribution.manifest.v2+json"


def test_an_index_gives_the_image_for_this_machine(registry: Registry, store: Store) -> None:
    assert get(store, f"{registry.host}/team/tool:both") == HERE.digest


def test_an_index_gives_what_is_asked_for(registry: Registry, store: Store) -> None:
    name = f"{registry.host}/team/tool:both"
    for platform in ("linux/arm64", "linux/arm64/v8", "arm64", "aarch64"):
        assert get(store, name, platform) == ARM.digest
    assert get(store, name, "linux/amd64") == AMD.digest
    assert_stored(store, name, AMD)
    with pytest.raises(ImageNotFound) as caught:
        get(store, name, "linux/s390x")
    assert "linux/amd64, linux/arm64" in str(caught.value)


def test_an_image_for_another_machine_is_refused_unless_asked_for(registry: Registry, store: Store) -> None:
    other, tag = (ARM, "arm") if HERE is AMD else (AMD, "amd")
    name = f"{registry.host}/team/tool:{tag}"
    with pytest.raises(ImageNotFound, match="not made for"):
        get(store, name)
    assert images(store) == []
    assert get(store, name, "arm64" if other is ARM else "amd64") == other.digest


def test_platforms() -> None:
    assert str(Platform.parse("aarch64")) == "linux/arm64"
    assert Platform.parse("linux/arm64/v8") == Platform.parse("arm64")
    assert str(Platform.parse("linux/arm/v6")) == "linux/arm/v6"
    for wrong in ("", "/", "linux/", "a/b/c/d", "linux/amd 64", "../x"):
        with pytest.raises(SpecError):
            Platform.parse(wrong)


def test_a_tag_that_moved_is_followed(registry: Registry, store: Store, scratch: Path) -> None:
    first, second = make_image({"a": b"1"}), make_image({"a": b"2"})
    name = f"{registry.host}/team/moving:latest"
    for image in (first, second):
        registry.push(image, "team/moving:latest", scratch)
        assert get(store, name) == image.digest
        assert_stored(store, name, image)
    assert get(store, f"{registry.host}/team/moving@{first.digest}") == first.digest


def test_what_is_missing_is_told_with_what_there_is(registry: Registry, store: Store) -> None:
    with pytest.raises(ImageNotFound) as caught:
        get(store, f"{registry.host}/team/tool:1.O")
    assert "1.0" in caught.value.hint
    with pytest.raises(ImageNotFound) as caught:
        get(store, f"{registry.host}/team/toool:1.0")
    assert "spelling" in caught.value.hint
    with pytest.raises(ImageNotFound):
        get(store, f"{registry.host}/team/tool@sha256:{'0' * 64}")
    assert images(store) == []


def test_a_chart_is_not_an_image(registry: Registry, store: Store) -> None:
    manifest = json.loads(HERE.manifest)
    manifest["config"]["mediaType"] = "application/vnd.cncf.helm.config.v1+json"
    registry.put_manifest("team/tool", "chart", json.dumps(manifest).encode(), f"{OCI}manifest.v1+json")
    with pytest.raises(ImageError, match="helm"):
        get(store, f"{registry.host}/team/tool:chart")


# --- private ---


@pytest.fixture(scope="module")
def private(scratch: Path) -> Iterator[Registry]:
    (scratch / "htpasswd").write_text(HTPASSWD)
    auth = {"htpasswd": {"realm": "private", "path": str(scratch / "htpasswd")}}
    with run_registry(scratch / "private", auth=auth, login=LOGIN) as running:
        running.push(HERE, "team/tool:1", scratch)
        yield running


def test_a_private_image_needs_a_login(private: Registry, store: Store) -> None:
    with pytest.raises(ImageNotAllowed) as caught:
        get(store, f"{private.host}/team/tool:1")
    assert caught.value.hint.endswith(f"dodas image login {private.host}")


def test_a_login_with_udocker_is_found(private: Registry, store: Store) -> None:
    udocker(
        store,
        *("login", f"--username={LOGIN[0]}", "--password-stdin", f"--registry=http://{private.host}"),
        feed=f"{LOGIN[1]}\n",
    )
    assert get(store, f"{private.host}/team/tool:1") == HERE.digest


def test_a_login_with_skopeo_is_found(
    private: Registry, store: Store, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(home / "auth.json"))
    subprocess.run(
        [
            *(need("skopeo"), "login", "--tls-verify=false", f"--username={LOGIN[0]}"),
            *("--password-stdin", private.host),
        ],
        input=LOGIN[1].encode(),
        check=True,
        capture_output=True,
    )
    assert get(store, f"{private.host}/team/tool:1") == HERE.digest


def dodas(store: Store, *words: str, feed: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "dodas", "image", *words],
        input=feed,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "DODAS_STORE": store.root},
    )


@pytest.mark.parametrize("kind", ["private", "tokens"])
def test_login_pull_logout(kind: str, store: Store, home: Path, request: pytest.FixtureRequest) -> None:
    registry: Registry = request.getfixturevalue("private" if kind == "private" else "with_tokens")
    name = f"{registry.host}/team/tool:1"
    wrong = dodas(store, "login", registry.host, "-u", LOGIN[0], "--password-stdin", feed="wr0ng\n")
    assert wrong.returncode == 1
    assert "does not accept" in wrong.stderr
    assert "wr0ng" not in wrong.stdout + wrong.stderr
    assert not (home / ".udocker" / "keystore").exists()
    right = dodas(store, "login", registry.host, "-u", LOGIN[0], "--password-stdin", feed=f"{LOGIN[1]}\n")
    assert right.returncode == 0, right.stderr
    assert LOGIN[1] not in right.stdout + right.stderr
    assert (home / ".udocker" / "keystore").stat().st_mode & 0o777 == 0o600
    assert dodas(store, "pull", name).returncode == 0
    assert_stored(store, name, HERE)
    assert dodas(store, "logout", registry.host).returncode == 0
    refused = dodas(store, "pull", name)
    assert refused.returncode == 1
    assert f"dodas image login {registry.host}" in refused.stderr
    assert "no password" in dodas(store, "logout", registry.host).stderr


def test_login_to_a_registry_for_everybody(registry: Registry, store: Store) -> None:
    done = dodas(store, "login", registry.host, "-u", "anna", "--password-stdin", feed="x\n")
    assert done.returncode == 1
    assert "does not ask for a login" in done.stderr


def test_login_without_a_terminal_says_what_to_do(private: Registry, store: Store) -> None:
    done = dodas(store, "login", private.host)
    assert done.returncode == 1
    assert "--password-stdin" in done.stderr


# --- tokens ---


@pytest.fixture(scope="module")
def tokens(scratch: Path) -> Iterator[TokenServer]:
    with run_token_server(scratch / "tokens", LOGIN) as running:
        yield running


@pytest.fixture(scope="module")
def with_tokens(scratch: Path, tokens: TokenServer) -> Iterator[Registry]:
    with run_registry(scratch / "with-tokens", auth=tokens.auth(), login=LOGIN) as running:
        for name in ("team/tool:1", "public/tool:1"):
            running.push(HERE, name, scratch)
        yield running


def test_a_stranger_gets_a_token_for_what_is_public(
    with_tokens: Registry, tokens: TokenServer, store: Store
) -> None:
    tokens.asked.clear()
    assert get(store, f"{with_tokens.host}/public/tool:1") == HERE.digest
    # One token serves the whole pull, and it is for reading this repository.
    assert tokens.asked == [{"authorization": "", "scope": "repository:public/tool:pull"}]


def test_a_stranger_gets_nothing_private(with_tokens: Registry, store: Store) -> None:
    with pytest.raises(ImageNotAllowed, match="without a login, or there is no such image"):
        get(store, f"{with_tokens.host}/team/tool:1")


def test_a_wrong_password_is_told_as_such(with_tokens: Registry, store: Store) -> None:
    udocker(
        store,
        *("login", "--username=anna", "--password-stdin", f"--registry=http://{with_tokens.host}"),
        feed="wrong\n",
    )
    with pytest.raises(ImageNotAllowed, match="does not accept the login kept for 'anna'"):
        get(store, f"{with_tokens.host}/team/tool:1")


# --- encryption ---


def test_a_certificate_of_the_site(store: Store, scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate, key = make_certificate(scratch / "tls", "IP:127.0.0.1")
    with run_registry(scratch / "encrypted", tls=(certificate, key)) as registry:
        registry.push(HERE, "team/tool:1", scratch)
        name = f"{registry.host}/team/tool:1"
        with pytest.raises(RegistryUnreachable, match="cannot be trusted") as caught:
            get(store, name)
        assert "REQUESTS_CA_BUNDLE" in caught.value.hint
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
        assert get(store, name) == HERE.digest


# --- mirrors ---


@pytest.fixture
def mirrored(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> Image:
    """The registry is a mirror of one that is not there, below the path ``team``."""
    mirrors = f"quay.io=http://{registry.host}/team, 127.0.0.1:9=x.invalid"
    monkeypatch.setenv("DODAS_REGISTRY_MIRRORS", mirrors)
    return HERE


def test_a_mirror_is_asked_first(mirrored: Image, store: Store) -> None:
    assert get(store, "quay.io/tool:1.0") == mirrored.digest
    assert_stored(store, "quay.io/tool:1.0", mirrored)


def test_behind_a_mirror_comes_the_registry(
    registry: Registry, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    with run_liar(AMD) as empty:
        empty.for_ever = True
        empty.lies["/"] = [lambda handler, _: handler.reply(404, b"{}")]
        monkeypatch.setenv("DODAS_REGISTRY_MIRRORS", f"{registry.host}=http://{empty.host}")
        assert get(store, f"{registry.host}/team/tool:1.0") == HERE.digest
        assert empty.asked("/manifests/")


def test_a_mirror_without_or_with_wrong_blobs_is_passed_over(
    registry: Registry, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    with run_liar(HERE) as lying:
        lying.for_ever = True
        lying.lies = {
            f"/blobs/{next(iter(HERE.blobs))}": [lambda handler, _: handler.reply(404, b"{}")],
            "/blobs/": [lambda handler, content: handler.reply(200, content[::-1])],
        }
        monkeypatch.setenv("DODAS_REGISTRY_MIRRORS", f"{registry.host}=http://{lying.host}")
        assert get(store, f"{registry.host}/team/tool:1.0") == HERE.digest
        assert_stored(store, f"{registry.host}/team/tool:1.0", HERE)
        assert len(lying.asked("/blobs/")) == 2


def test_a_mirror_that_lies_about_a_digest_is_passed_over(
    registry: Registry, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    with run_liar(make_image({"evil": b"x"})) as lying:
        monkeypatch.setenv("DODAS_REGISTRY_MIRRORS", f"{registry.host}=http://{lying.host}")
        assert get(store, f"{registry.host}/team/tool@{HERE.digest}") == HERE.digest


def test_what_mirrors_said_is_told_when_all_fail(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DODAS_REGISTRY_MIRRORS", "127.0.0.1:9=http://127.0.0.1:8")
    with pytest.raises(RegistryUnreachable) as caught:
        get(store, "127.0.0.1:9/tool:1")
    assert "127.0.0.1:9 " in str(caught.value)
    assert "127.0.0.1:8 refuses" in caught.value.hint


def test_udockers_variable_stands_for_docker_hub(
    registry: Registry, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UDOCKER_REGISTRY", f"http://{registry.host}")
    assert get(store, "team/tool:1.0") == HERE.digest
    assert_stored(store, "team/tool:1.0", HERE)
    # and for nothing else: this is the registry of that name
    with pytest.raises(RegistryUnreachable):
        get(store, "127.0.0.1:9/team/tool:1.0")


@pytest.mark.parametrize(
    "value", ["docker.io", "=https://x.org", "docker.io=ftp://x", "docker.io=https://u:p@x"]
)
def test_mirrors_that_cannot_be_read(value: str, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DODAS_REGISTRY_MIRRORS", value)
    with pytest.raises(SpecError, match="DODAS_REGISTRY_MIRRORS"):
        get(store, "debian:12")
