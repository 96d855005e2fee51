"""Credentials for storage on their way to nodes: what ends by itself, seen by nobody else, and renewed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from backend_kinds import Anywhere
from condor_pool import Pools
from dodas.auth.credentials import Credentials
from dodas.backends.htcondor import papers as submit
from dodas.backends.htcondor.papers import Papers
from dodas.errors import NotAllowed, TransferError
from dodas.node import papers
from dodas.node.build import worker_file
from dodas.node.papers import Renewal
from dodas.step import Failure, Input, Output, Step
from servers.apache import Apache
from servers.pki import Pki

Pool = Callable[[str], tuple[Pools, str]]
TOKEN = "a-token-that-nobody-else-must-see"
ENV = (("PATH", "/usr/bin:/bin"),)


@pytest.fixture(autouse=True)
def environment(tmp_path: Path, pki: Pki, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have no credentials but those of the test, and trust its servers."""
    for name in ("BEARER_TOKEN", "BEARER_TOKEN_FILE", "X509_USER_PROXY", "X509_USER_CERT", "X509_USER_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("SSL_CERT_FILE", str(pki.ca))
    monkeypatch.setenv("DODAS_CACHE", str(tmp_path / "cache"))


def private(path: Path, text: str) -> str:
    """Write a file that only its owner can read."""
    path.touch(0o600)
    path.write_text(text)
    return str(path)


def copy(server: Apache, home: Path) -> Step:
    """Return a step that copies a file of a storage, and says what it knows by its variables."""
    return Step(
        id="s",
        name="s",
        argv=("sh", "-c", f"cp {home}/in {home}/out; env"),
        env=ENV,
        cwd=str(home),
        inputs=(Input(source=server.url("in"), target=f"{home}/in"),),
        outputs=(Output(path=f"{home}/out", destination=server.url("out")),),
    )


def holders(secret: bytes, directory: Path) -> set[Path]:
    """Return the files that hold a secret, while others, of steps that are done, go away."""
    found = set()
    for place, _, names in os.walk(directory):
        for path in (Path(place, name) for name in names):
            with suppress(FileNotFoundError):
                if secret in path.read_bytes():
                    found.add(path.resolve())
    return found


@pytest.mark.parametrize("kind", ["token", "proxy"])
def test_credentials_reach_the_node_and_nobody_else(
    far: Anywhere,
    condor_pool: Pool,
    tmp_path: Path,
    pki: Pki,
    kind: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    options: dict[str, Any] = {"certificates": True}
    if kind == "token":
        monkeypatch.setenv("BEARER_TOKEN_FILE", private(tmp_path / "mine", TOKEN))
        secret = TOKEN.encode()
        options = {"tokens": (TOKEN,)}
    else:
        monkeypatch.setenv("X509_USER_PROXY", str(pki.proxy))
        secret = pki.proxy.read_bytes().splitlines()[-2]
    with Apache(tmp_path / "apache", pki=pki, **options) as server:
        (server.root / "in").write_text("content\n")
        result = far.run([copy(server, tmp_path / "home")], **far.without_retries).results["s"]
        assert result.ok, result.reason
        assert (server.root / "out").read_text() == "content\n"
    run = tmp_path / "run0"
    assert holders(secret, run) == {run / "papers" / kind}
    assert (run / "papers" / kind).stat().st_mode & 0o777 == 0o600
    assert secret.decode() not in Path(result.stdout or "").read_text()
    pools, name = condor_pool("far")
    ads = pools.python(name, "print([str(ad) for ad in (*schedd.query(), *schedd.history('true'))])")
    assert "DodasRun" in ads
    assert secret.decode() not in ads
    far.close()
    assert not (run / "papers").exists()


def test_without_them_the_step_fails_and_says_why(far: Anywhere, tmp_path: Path, pki: Pki) -> None:
    with Apache(tmp_path / "apache", pki=pki, tokens=(TOKEN,)) as server:
        result = far.run([copy(server, tmp_path / "home")], **far.without_retries).results["s"]
    assert result.failure is Failure.STAGE_IN
    assert "401" in result.reason


def test_what_others_can_read_is_not_sent(
    far: Anywhere, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = private(tmp_path / "mine", TOKEN)
    os.chmod(path, 0o644)
    monkeypatch.setenv("BEARER_TOKEN_FILE", path)
    step = Step(id="s", name="s", argv=("true",), cwd="/", stdin="https://localhost:1/x")
    result = far.run([step], **far.without_retries).results["s"]
    assert result.failure is Failure.STAGE_IN
    assert "can be read by other users" in result.reason


def folder(tmp_path: Path, **environ: str) -> Papers:
    """Return papers of somebody with these variables."""
    environ = {"XDG_RUNTIME_DIR": str(tmp_path / "nowhere"), **environ}
    return Papers(str(tmp_path / "papers"), lambda: Credentials.from_environment(environ))


def test_papers_follow_the_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submit, "_EVERY", 0.0)
    mine, into = tmp_path / "mine", tmp_path / "in"
    private(mine, "first")
    into.mkdir()
    kept = folder(tmp_path, BEARER_TOKEN_FILE=str(mine))
    kept.renew()
    assert not os.path.exists(kept.folder)
    kept.link(str(into))
    assert (into / papers.TOKEN).read_text() == "first"
    assert (into / papers.TOKEN).stat().st_mode & 0o777 == 0o600
    private(mine, "second")
    kept.renew()
    assert (into / papers.TOKEN).read_text() == "second"
    mine.unlink()
    kept.renew()
    assert (into / papers.TOKEN).read_text() == "second"
    kept.remove()
    assert not os.path.exists(kept.folder)


def test_keys_of_long_life_stay(tmp_path: Path, pki: Pki) -> None:
    kept = folder(tmp_path, X509_USER_CERT=str(pki.user), X509_USER_KEY=str(pki.user_key))
    kept.open()
    assert papers.PROXY not in os.listdir(kept.folder)


def test_useless_papers_are_an_error_of_the_step(tmp_path: Path) -> None:
    with pytest.raises(NotAllowed, match="BEARER_TOKEN_FILE"):
        folder(tmp_path, BEARER_TOKEN_FILE=str(tmp_path / "absent")).open()


def test_a_node_asks_for_newer_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(papers, "_EVERY", 0.0)
    there, here = tmp_path / "there", tmp_path / "here"
    there.mkdir()
    here.mkdir()
    private(here / "token", "old")
    private(there / "token", "new")
    private(there / "proxy", "not asked for")
    asked: list[str] = []

    def read(path: str) -> bytes:
        asked.append(path)
        if len(asked) > 1:
            raise TransferError("the submit side is away")
        return Path(path).read_bytes()

    renewal = Renewal(read, str(there), str(here))
    renewal()
    assert (here / "token").read_text() == "new"
    assert (here / "token").stat().st_mode & 0o777 == 0o600
    renewal()
    assert (here / "token").read_text() == "new"
    assert os.listdir(here) == ["token"]
    assert papers.environment(str(here), {"A": "b"}) == {"A": "b", "BEARER_TOKEN_FILE": str(here / "token")}


ASKING = """
import os, sys
sys.path.insert(0, "worker")
from dodas.node import papers
papers._EVERY = 0.0
os.mkdir("here")
papers.write("here/token", b"old")
usual = os.path.join(os.environ["_CONDOR_SCRATCH_DIR"], ".chirp.config")
chirp = os.environ.get("_CONDOR_CHIRP_CONFIG", usual)
papers.Renewal(papers.by_chirp(chirp), sys.argv[1], "here")()
print(open("here/token").read(), oct(os.stat("here/token").st_mode & 0o777))
"""
SUBMIT = """
import os
import shutil
place = {place!r}
description = htcondor2.Submit({{
    "executable": os.path.join(place, "asking.py"), "arguments": os.path.join(place, "there"),
    "initialdir": place, "log": "log",
    "output": "stdout", "error": "stderr", "+WantIOProxy": "true", "transfer_input_files": {worker!r},
    "should_transfer_files": "YES", "when_to_transfer_output": "ON_EXIT", "transfer_output_files": "",
}})
schedd.submit(description)
events = htcondor2.JobEventLog(os.path.join(place, "log")).events(stop_after=60)
ends = (event for event in events if event.type.name in ("JOB_TERMINATED", "JOB_HELD"))
print(next(ends).type.name)
"""


def test_a_node_gets_newer_ones_through_htcondor(condor_pool: Pool, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    private(tmp_path / "there/token", TOKEN)
    (tmp_path / "asking.py").write_text("#!/usr/bin/env python3\n" + ASKING)
    (tmp_path / "asking.py").chmod(0o755)
    shutil.copy(worker_file(), tmp_path / "worker")
    pools, name = condor_pool("far")
    said = pools.python(name, SUBMIT.format(place=str(tmp_path), worker="worker"))
    assert said == "JOB_TERMINATED\n", (tmp_path / "log").read_text()
    assert (tmp_path / "stdout").read_text() == f"{TOKEN} 0o600\n", (tmp_path / "stderr").read_text()
