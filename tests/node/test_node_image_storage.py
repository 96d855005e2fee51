"""Nodes that have no registry, and get their images from storage."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

import smallimage
from backend_kinds import Anywhere
from condor_pool import Pools
from dodas.auth.credentials import Credentials
from dodas.backends.shelf import Shelf
from dodas.cli.image_shelve import push
from dodas.containers.progress import ignore
from dodas.containers.store import Store
from dodas.staging.settings import Settings
from dodas.staging.storage import Storage
from dodas.step import Failure, Step
from node_sandboxes import Sandbox, pythons
from servers.apache import Apache
from servers.pki import Pki

Pool = Callable[[str], tuple[Pools, str]]
TOKEN = "a-token-that-nobody-else-must-see"


def stored(url: str, store: str, ca: Path) -> str:
    """Push the small image, and return what it was pushed to."""
    environ = {"SSL_CERT_FILE": str(ca), "BEARER_TOKEN": TOKEN}
    with Storage(Settings(), Credentials.from_environment(environ)) as storage:
        push(Store(store), Shelf(storage, url), smallimage.NAME, ignore)
    return url


def step(tmp_path: Path) -> Step:
    (tmp_path / "home").mkdir()
    return Step(id="s", name="s", argv=("cat", "/marker"), cwd=str(tmp_path / "home"), image=smallimage.NAME)


@pytest.mark.parametrize("python", pythons(), ids=os.path.basename)
def test_every_python_gets_an_image(
    tmp_path: Path, sandbox: Sandbox, python: str, apache: Apache, small_store: str, pki: Pki
) -> None:
    sandbox.cache = tmp_path / "cache"
    sandbox.python = python
    url = stored(apache.url("images"), small_store, pki.ca)
    sandbox.submit(step(tmp_path), images={smallimage.NAME: None}, settings=(("DODAS_IMAGE_STORAGE", url),))
    done = sandbox.run()
    assert (done.returncode, done.stderr) == (0, "")
    result = sandbox.deliver()["s"]
    assert result.ok, result.reason


def test_a_pool_gets_an_image_with_the_token_of_the_user(
    far: Anywhere, tmp_path: Path, small_store: str, pki: Pki, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = tmp_path / "mine"
    mine.touch(0o600)
    mine.write_text(TOKEN)
    for name in ("BEARER_TOKEN", "X509_USER_PROXY", "X509_USER_CERT", "X509_USER_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("BEARER_TOKEN_FILE", str(mine))
    monkeypatch.setenv("SSL_CERT_FILE", str(pki.ca))
    with Apache(tmp_path / "apache", pki=pki, tokens=(TOKEN,)) as server:
        monkeypatch.setenv("DODAS_IMAGE_STORAGE", stored(server.url("images"), small_store, pki.ca))
        options = {"store": str(tmp_path / "empty"), **far.without_retries}
        result = far.run([step(tmp_path)], **options).results["s"]
        assert result.ok, result.reason
        assert Path(result.stdout or "").read_text() == "image\n"
        assert any(request.method == "GET" and "/blobs/" in request.path for request in server.requests())


def test_an_image_that_is_nowhere(
    far: Anywhere, tmp_path: Path, apache: Apache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DODAS_IMAGE_STORAGE", apache.url("images"))
    one = Step(id="s", name="s", argv=("true",), cwd=str(tmp_path), image="registry.invalid/tool:1")
    result = far.run([one], store=str(tmp_path / "empty"), **far.without_retries).results["s"]
    assert result.failure is Failure.CONTAINER
    assert f"{apache.url('images')} has no image registry.invalid/tool:1" in (result.reason or "")
