"""Images on storage: pushed from one store, pulled into another, and fetched by steps that miss them."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest

import smallimage
from data_runs import environment
from dodas.backends.local import LocalBackend
from dodas.containers.archives import load
from dodas.containers.store import Store
from dodas.errors import ImageCorrupt
from dodas.step import Step
from local_runs import Followed
from lying_registry import Liar, run_liar
from registry_server import Image, digest, make_image, write_layout
from servers.apache import Apache
from servers.dynafed import Dynafed
from servers.faults import Fault
from servers.faulty import Faulty
from servers.xrootd import Xrootd
from stored import assert_stored

BIG = make_image({"bin/tool": b"#!/bin/sh\n"}, {"data": os.urandom(3 << 20)}, {"more": os.urandom(1 << 20)})
ARM = make_image({"which": b"arm"}, architecture="arm64")
NOWHERE = "registry.invalid/team/tool:1"


@dataclass(frozen=True, kw_only=True)
class Place:
    """A directory for images on a storage.

    Attributes:
        url: Its URL.
        roots: The same on the disks of all servers.
    """

    url: str
    roots: tuple[Path, ...]

    def blob(self, name: str) -> Path:
        """Return the one copy of a blob on disk."""
        (path,) = [path for root in self.roots if (path := root / "blobs/sha256" / name[7:]).exists()]
        return path

    def files(self) -> set[str]:
        """Return what is there."""
        return {
            str(path.relative_to(root)) for root in self.roots for path in root.rglob("*") if path.is_file()
        }


def place_at(server: Apache | Xrootd | Dynafed) -> Place:
    Dodas.fragile = server if isinstance(server, Xrootd) else None
    sites = server.endpoints if isinstance(server, Dynafed) else [server]
    url = server.url("images").replace("http:", "dav:")
    return Place(url=url, roots=tuple(site.root / "images" for site in sites))


@pytest.fixture(params=["apache", "xrootd", "dynafed"])
def place(request: pytest.FixtureRequest) -> Place:
    return place_at(request.getfixturevalue(request.param))


@pytest.fixture(params=["apache", "dynafed"])
def sturdy(request: pytest.FixtureRequest) -> Place:
    """Where many may come at once: release 5.5 of XRootD does not always survive that."""
    return place_at(request.getfixturevalue(request.param))


class Dodas:
    """Runs `dodas` with an image store.

    Attributes:
        fragile: A server that may have died by itself: release 5.5 of XRootD does now and then.
    """

    fragile: ClassVar[Xrootd | None] = None

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = dict(environ)
        self.store = Store(self.environ["UDOCKER_DIR"])

    def __call__(self, *words: str, status: int = 0, **more: str) -> str:
        """Return what it prints, on standard error if it is to fail."""
        done = self.whole(*words, **more)
        if self.fragile and "connection refused" in done.stderr:
            self.fragile.start()
            done = self.whole(*words, **more)
        assert done.returncode == status, f"{done.returncode}: {done.stdout}{done.stderr}"
        assert "Traceback" not in done.stderr, done.stderr
        return done.stderr if status else done.stdout

    def whole(self, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(words),
            capture_output=True,
            text=True,
            check=False,
            env={**self.environ, **more},
            cwd=self.environ["HOME"],
        )

    def start(self, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(words),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.environ,
        )

    def command(self, words: tuple[str, ...]) -> list[str]:
        return [sys.executable, "-m", "dodas", *words]


def somebody(folder: Path) -> Dodas:
    """Return somebody with an empty store of his own."""
    return Dodas(environment(folder, UDOCKER_DIR=str(folder / "images"), DODAS_STORAGE_IDLE_TIMEOUT="20"))


@pytest.fixture
def anna(tmp_path: Path) -> Dodas:
    return somebody(tmp_path / "anna")


@pytest.fixture
def ben(tmp_path: Path) -> Dodas:
    return somebody(tmp_path / "ben")


def give(user: Dodas, image: Image, name: str, folder: Path, platform: str | None = None) -> None:
    load(user.store, str(write_layout(image, folder / image.digest[7:19])), name=name, platform=platform)


@pytest.fixture
def registry() -> Iterator[Liar]:
    with run_liar(BIG) as running:
        yield running


# --- there and back ---


def test_an_image_goes_there_and_back_and_steps_run_in_it(
    place: Place, anna: Dodas, ben: Dodas, tmp_path: Path
) -> None:
    smallimage.fill(anna.store.root, tmp_path)
    name = smallimage.NAME

    said = anna("image", "push", name, place.url)
    found = re.fullmatch(rf"{name}  (sha256:\w+)  \(linux/\w+, .*\) is at {place.url}\n", said)
    assert found, said
    blobs = {path for path in place.files() if path.startswith("blobs/")}
    assert place.files() - blobs == {"names/docker.io/library/small/_tags/1"}
    assert f"blobs/sha256/{found[1][7:]}" in blobs
    for path in blobs:
        assert digest(place.blob(f"sha256:{Path(path).name}").read_bytes())[7:] == Path(path).name

    assert f"{name}  {found[1]}  " in ben("image", "pull", "--from", place.url, name)
    assert ben("run", "--pull", "never", name, "--", "cat", "/marker") == "image\n"
    # Only what is missing is sent, or fetched.
    (again,) = json.loads(anna("image", "push", "--json", name, place.url))
    assert again["sent"] == 0
    assert again["digest"] == found[1]
    assert ben.whole("image", "pull", "--from", place.url, name).stderr == ""


def test_an_image_by_its_digest(sturdy: Place, anna: Dodas, ben: Dodas, tmp_path: Path) -> None:
    give(anna, BIG, "team/tool:1", tmp_path)
    (pushed,) = json.loads(anna("image", "push", "--json", BIG.digest, sturdy.url))
    assert pushed["digest"] == BIG.digest

    name = f"team/tool@{BIG.digest}"
    pulled = json.loads(ben("image", "pull", "--json", "--platform", "amd64", "--from", sturdy.url, name))
    assert [one["digest"] for one in pulled] == [BIG.digest]
    assert_stored(ben.store, name, BIG)

    other = f"team/tool@{ARM.digest}"
    said = ben("image", "pull", "--from", sturdy.url, other, status=1)
    assert f"{sturdy.url} has no image {other}" in said
    assert f"dodas image push {other} {sturdy.url}" in said


def test_a_name_means_one_image_for_each_platform_and_then_another_one(
    sturdy: Place, anna: Dodas, ben: Dodas, tmp_path: Path
) -> None:
    newer = make_image({"which": b"newer"}, architecture="arm64")
    for image in (BIG, ARM, newer):
        give(anna, image, "localhost:5000/team/tool:1", tmp_path)
        anna("image", "push", "localhost:5000/team/tool:1", sturdy.url)
    for platform, image in (("amd64", BIG), ("arm64", newer)):
        words = ("--platform", platform, "--from", sturdy.url)
        said = ben("image", "pull", "--json", *words, "localhost:5000/team/tool:1")
        assert json.loads(said)[0]["digest"] == image.digest
    said = ben(
        "image", "pull", "--platform", "s390x", "--from", sturdy.url, "localhost:5000/team/tool:1", status=1
    )
    assert "only for linux/amd64, linux/arm64" in said


def test_an_image_that_is_not_there(place: Place, anna: Dodas) -> None:
    said = anna("image", "pull", "--from", place.url, "debian:12", status=1)
    assert f"{place.url} has no image debian:12" in said
    assert f"dodas image push debian:12 {place.url}" in said
    said = anna("image", "push", "debian:12", place.url, status=1)
    assert "dodas image pull debian:12" in said
    assert place.files() == set()


def test_a_url_that_is_none(anna: Dodas, tmp_path: Path) -> None:
    give(anna, BIG, "team/tool:1", tmp_path)
    assert "davs://host/path" in anna("image", "push", "team/tool:1", "somewhere", status=1)


# --- damage ---


def test_damaged_and_missing_blobs_are_refused_and_mended(
    place: Place, anna: Dodas, ben: Dodas, tmp_path: Path
) -> None:
    give(anna, BIG, "team/tool:1", tmp_path)
    anna("image", "push", "team/tool:1", place.url)
    pull = ("image", "pull", "--platform", "amd64", "--from", place.url, "team/tool:1")
    layer = place.blob(digest(BIG.layers[1]))

    content = bytearray(layer.read_bytes())
    content[1000] ^= 1
    layer.write_bytes(content)
    said = ben(*pull, status=1)
    assert "is damaged" in said
    assert f"dodas data rm {place.url}/blobs/sha256/{layer.name}" in said
    assert not Path(ben.store.layout.blob(digest(BIG.layers[1]))).exists()
    assert ben("image", "ls", "--json") == "[]\n"

    layer.unlink()
    assert f"lacks a part of team/tool:1, {place.url}/blobs" in ben(*pull, status=1)

    layer.write_bytes(BIG.layers[1][:1000])  # which is seen by its size
    anna("image", "push", "team/tool:1", place.url)
    ben(*pull)
    assert_stored(ben.store, "team/tool:1", BIG)
    assert os.listdir(ben.store.layout.tmp) == []


def test_a_file_that_is_not_what_it_should_be_is_not_taken(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "store"))
    for content, fault in ((b"right", ""), (b"wrong", "has the digest"), (b"longer", "should have 5")):
        (tmp_path / "file").write_bytes(content)
        try:
            with store.blob(digest(b"right") if content == b"right" else digest(b"other"), size=5) as blob:
                blob.take(str(tmp_path / "file"))
        except ImageCorrupt as error:
            assert fault
            assert fault in str(error)
        assert not (tmp_path / "file").exists()
    assert os.listdir(store.layout.layers) == [digest(b"right")]
    assert os.listdir(store.layout.tmp) == []


def test_what_is_damaged_here_is_not_pushed(apache: Apache, anna: Dodas, tmp_path: Path) -> None:
    place = place_at(apache)
    give(anna, BIG, "team/tool:1", tmp_path)
    layer = Path(anna.store.layout.blob(digest(BIG.layers[1])))
    content = bytearray(layer.read_bytes())
    content[0] ^= 1
    layer.write_bytes(content)
    assert f"{layer.name} in the store is damaged" in anna(
        "image", "push", "team/tool:1", place.url, status=1
    )
    assert not any(layer.name[7:] in path or "names" in path for path in place.files())


@pytest.mark.parametrize("content", [b"", b"<html>", b"[]", b'{"manifests": [3]}', b'{"manifests": 3}'])
def test_a_damaged_name_is_refused_and_mended(
    apache: Apache, anna: Dodas, ben: Dodas, tmp_path: Path, content: bytes
) -> None:
    place = place_at(apache)
    give(anna, BIG, "team/tool:1", tmp_path)
    anna("image", "push", "team/tool:1", place.url)
    pull = ("image", "pull", "--platform", "amd64", "--from", place.url, "team/tool:1")
    (place.roots[0] / "names/docker.io/team/tool/_tags/1").write_bytes(content)
    assert "is damaged" in ben(*pull, status=1)
    anna("image", "push", "team/tool:1", place.url)
    ben(*pull)


def test_a_name_that_lies_about_its_digest(apache: Apache, anna: Dodas, ben: Dodas, tmp_path: Path) -> None:
    place = place_at(apache)
    give(anna, BIG, "team/tool:1", tmp_path)
    anna("image", "push", "team/tool:1", place.url)
    place.blob(BIG.digest).write_bytes(ARM.manifest)
    said = ben("image", "pull", "--platform", "amd64", "--from", place.url, "team/tool:1", status=1)
    assert "is damaged" in said


# --- breaks, and others ---


def test_connections_that_break(faulty: Faulty, anna: Dodas, ben: Dodas, tmp_path: Path) -> None:
    url = faulty.url("images").replace("http:", "dav:")
    layer = digest(BIG.layers[1])[7:]
    give(anna, BIG, "team/tool:1", tmp_path)
    sent = faulty.fault(Fault(method="PUT", cut_after=1_000_000, cut_request=True, times=1))
    fetched = faulty.fault(Fault(method="GET", path=layer, cut_after=1_000_000, times=1))
    anna("image", "push", "team/tool:1", url)
    ben("image", "pull", "--platform", "amd64", "--from", url, "team/tool:1")
    assert (sent.happened, fetched.happened) == (1, 1)
    assert_stored(ben.store, "team/tool:1", BIG)


def test_many_push_and_pull_at_once(sturdy: Place, anna: Dodas, tmp_path: Path) -> None:
    give(anna, BIG, "team/tool:1", tmp_path)
    give(anna, ARM, "team/arm:1", tmp_path)
    names = ("team/tool:1", "team/arm:1")
    pushes = [anna.start("image", "push", *names, sturdy.url) for _ in range(3)]
    ended = [(push.communicate(), push.returncode) for push in pushes]
    assert [status for _, status in ended] == [0, 0, 0], ended
    assert not any("dodas-" in path for path in sturdy.files())

    ben = somebody(tmp_path / "ben")
    words = ("image", "pull", "--platform", "amd64", "--from", sturdy.url, "team/tool:1")
    pulls = [ben.start(*words) for _ in range(3)]
    told = [(pull.communicate(), pull.returncode) for pull in pulls]
    assert [status for _, status in told] == [0, 0, 0], told
    fetched = "".join(errors for (_, errors), _ in told)
    assert len(re.findall("^layer ", fetched, re.MULTILINE)) == 3  # each by one of them
    assert_stored(ben.store, "team/tool:1", BIG)


@pytest.mark.parametrize("command", ["push", "pull"])
def test_what_was_killed_goes_on(
    faulty: Faulty, anna: Dodas, ben: Dodas, tmp_path: Path, command: str
) -> None:
    url = faulty.url("images").replace("http:", "dav:")
    push = ("image", "push", "team/tool:1", url)
    pull = ("image", "pull", "--platform", "amd64", "--from", url, "team/tool:1")
    layer = digest(BIG.layers[1])[7:]
    give(anna, BIG, "team/tool:1", tmp_path)
    if command == "push":
        hang = faulty.fault(Fault(method="PUT", hang_after=1_000_000, cut_request=True, times=1))
        process = anna.start(*push)
    else:
        anna(*push)
        hang = faulty.fault(Fault(method="GET", path=layer, hang_after=1_000_000, times=1))
        process = ben.start(*pull)
    wait_for(lambda: hang.happened)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    hang.gate.set()

    anna(*push)
    ben(*pull)
    assert_stored(ben.store, "team/tool:1", BIG)
    assert os.listdir(ben.store.layout.tmp) == []


def wait_for(happened: Callable[[], object]) -> None:
    """Wait until another process has got so far."""
    end = time.monotonic() + 30
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.01)


# --- steps whose image is missing ---


def test_a_step_gets_its_image_from_there(place: Place, anna: Dodas, ben: Dodas, tmp_path: Path) -> None:
    smallimage.fill(anna.store.root, tmp_path)
    anna("image", "push", smallimage.NAME, place.url)
    run = ("run", smallimage.NAME, "--", "cat", "/marker")
    assert ben(*run, DODAS_IMAGE_STORAGE=place.url) == "image\n"
    assert ben(*run) == "image\n"
    ben("image", "rm", smallimage.NAME)
    ben("image", "prepare", smallimage.NAME, DODAS_IMAGE_STORAGE=place.url)


def test_the_local_backend_gets_images_from_there(
    apache: Apache, anna: Dodas, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = place_at(apache)
    smallimage.fill(anna.store.root, tmp_path)
    anna("image", "push", smallimage.NAME, place.url)
    monkeypatch.setenv("DODAS_IMAGE_STORAGE", place.url)
    step = Step(
        id="one", name="one", argv=("cat", "/marker"), image=smallimage.NAME, stdout=str(tmp_path / "out")
    )
    with LocalBackend(store=str(tmp_path / "other"), logs=str(tmp_path / "logs")) as backend:
        backend.submit([step])
        result = Followed().finish(backend).results["one"]
    assert result.failure is None, result
    assert (tmp_path / "out").read_text() == "image\n"


def test_what_is_not_there_comes_from_the_registry(apache: Apache, ben: Dodas, registry: Liar) -> None:
    url = place_at(apache).url
    name = f"{registry.host}/team/tool:1"
    ben("image", "prepare", "--platform", "amd64", name, DODAS_IMAGE_STORAGE=url)
    assert_stored(ben.store, name, BIG)


def test_what_is_nowhere(apache: Apache, ben: Dodas) -> None:
    url = place_at(apache).url
    said = ben("image", "prepare", NOWHERE, status=1, DODAS_IMAGE_STORAGE=url)
    assert "registry.invalid" in said
    assert f"{url} has no image {NOWHERE}" in said
