"""Inputs and outputs at URLs, wherever a step runs."""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import smallimage
from backend_kinds import Anywhere
from dodas.backend import Preparing
from dodas.errors import SpecError
from dodas.step import Failure, Input, Mount, Output, Step
from servers.apache import Apache
from servers.dynafed import Dynafed
from servers.faults import Fault
from servers.faulty import Faulty

PATH = (("PATH", "/usr/bin:/bin"),)
HOSTILE = ("a b.txt", "100%.txt", "50%41", "#1", "what?", "a+b&c;d", "grün-😀", "-rf", "quo'te\"", "$(x)`y`")
IMAGES = pytest.mark.parametrize("image", [None, smallimage.NAME], ids=["host", "container"])


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep what is fetched on this machine in a directory of the test's own."""
    monkeypatch.setenv("DODAS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A directory that steps write to; nothing of the transfers is left in it."""
    made = tmp_path / "home"
    made.mkdir()
    yield made
    assert not list(made.rglob(".dodas*"))


def sh(name: str, script: str, home: Path, image: str | None, **fields: Any) -> Step:
    """A step that works in ``home``, which its container sees as ``/work``."""
    work = str(home) if image is None else "/work"
    mount = Mount(source=str(home), target=work, writable=True)
    values = {"argv": ("sh", "-c", script), "env": PATH, "cwd": work, "mounts": (mount,), **fields}
    return Step(id=name, name=name, image=image, **values)


def work(home: Path, image: str | None, name: str) -> str:
    """Return where a step sees what is called ``name`` in ``home``."""
    return f"{home}/{name}" if image is None else f"/work/{name}"


def gets(site: Apache, path: str) -> int:
    """Return how often a file was fetched."""
    return sum(request.method == "GET" and request.path.endswith(path) for request in site.requests())


@IMAGES
def test_a_file_comes_and_another_goes(
    anywhere: Anywhere, apache: Apache, small_store: str, home: Path, image: str | None
) -> None:
    (apache.root / "in.txt").write_text("given\n")
    target = work(home, image, "given/in.txt")
    step = sh(
        "s",
        f"tr a-z A-Z < {target} > out.txt; cat {target}",
        home,
        image,
        inputs=(Input(source=apache.url("in.txt"), target=target),),
        outputs=(Output(path=work(home, image, "out.txt"), destination=apache.url("new/dir/out.txt")),),
    )
    result = anywhere.run([step], store=small_store).results["s"]
    assert result.ok, result.reason
    assert Path(result.stdout or "").read_text() == "given\n"
    assert (apache.root / "new/dir/out.txt").read_text() == "GIVEN\n"
    (file,) = result.outputs
    assert (file.path, file.size) == (apache.url("new/dir/out.txt"), 6)
    assert file.checksum == "adler32$%08x" % zlib.adler32(b"GIVEN\n")  # noqa: UP031 - no backslash in braces
    assert sorted(os.listdir(home)) == ["out.txt"]


@IMAGES
def test_names_are_what_they_are(
    anywhere: Anywhere, apache: Apache, small_store: str, home: Path, image: str | None
) -> None:
    from dodas.staging import urls

    (apache.root / "in").mkdir()
    for name in HOSTILE:
        (apache.root / "in" / name).write_text(name)
    base = urls.parse(apache.url("in/"))
    step = sh(
        "s",
        'mkdir out; for name in in/*; do cat "$name" > "out/${name#in/}"; done',
        home,
        image,
        inputs=tuple(
            Input(source=str(urls.join(base, name)), target=work(home, image, f"in/{name}"))
            for name in HOSTILE
        ),
        outputs=(Output(path=work(home, image, "out/*"), destination=apache.url("out")),),
    )
    result = anywhere.run([step], store=small_store).results["s"]
    assert result.ok, result.reason
    assert {path.name: path.read_text() for path in (apache.root / "out").iterdir()} == {
        n: n for n in HOSTILE
    }
    assert sorted(os.listdir(home)) == ["out"]


@IMAGES
def test_directories_come_and_go_whole(
    anywhere: Anywhere, apache: Apache, small_store: str, home: Path, image: str | None
) -> None:
    for path in ("d/a", "d/below/b", "d/below/deeper/c"):
        (apache.root / path).parent.mkdir(exist_ok=True)
        (apache.root / path).write_text(path)
    (apache.root / "d/empty").mkdir()
    target = work(home, image, "given")
    step = sh(
        "s",
        "cp -r given new; ls given/empty; chmod -R u+w new; ln -s ../a new/below/link",
        home,
        image,
        inputs=(Input(source=apache.url("d/"), target=target),),
        outputs=(Output(path=work(home, image, "new"), destination=apache.url("made/")),),
    )
    result = anywhere.run([step], store=small_store).results["s"]
    assert result.ok, result.reason
    made = apache.root / "made/new"
    assert (made / "below/deeper/c").read_text() == "d/below/deeper/c"
    assert (made / "below/link").read_text() == "d/a"
    assert (made / "empty").is_dir()
    assert sorted(file.size for file in result.outputs) == [3, 3, 9, 16]


@IMAGES
def test_standard_input_and_a_copy_to_change(
    anywhere: Anywhere, apache: Apache, small_store: str, home: Path, image: str | None
) -> None:
    (apache.root / "x").write_text("old\n")
    mine = work(home, image, "mine")
    step = sh(
        "s",
        "cat >> mine; cat mine",
        home,
        image,
        stdin=apache.url("x"),
        inputs=(Input(source=apache.url("x"), target=mine, writable=True),),
    )
    results = anywhere.run([step], store=small_store).results["s"]
    assert results.ok, results.reason
    assert (home / "mine").read_text() == "old\nold\n"
    assert (apache.root / "x").read_text() == "old\n"


def test_many_steps_fetch_a_file_once(anywhere: Anywhere, apache: Apache, home: Path) -> None:
    (apache.root / "shared").write_bytes(os.urandom(1 << 20))
    steps = [
        sh(f"s{n}", "wc -c < in", home / str(n), None,
           inputs=(Input(source=apache.url("shared"), target=str(home / str(n) / "in")),))
        for n in range(12)
    ]  # fmt: skip
    for n in range(12):
        (home / str(n)).mkdir()
    results = anywhere.run(steps).results
    assert [result.reason for result in results.values()] == [""] * 12
    assert all(Path(result.stdout or "").read_text().strip() == str(1 << 20) for result in results.values())
    assert gets(apache, "/shared") == 1


def test_what_is_not_there_fails_its_step_alone(anywhere: Anywhere, apache: Apache, home: Path) -> None:
    missing = sh("bad", "true", home, None,
                 inputs=(Input(source=apache.url("missing"), target=str(home / "in")),))  # fmt: skip
    results = anywhere.run([missing, sh("good", "true", home, None)]).results
    assert results["good"].ok
    assert results["bad"].failure is Failure.STAGE_IN
    assert apache.url("missing") in results["bad"].reason
    assert results["bad"].exit_code is None


def test_a_damaged_file_is_no_input(anywhere: Anywhere, faulty: Faulty, apache: Apache, home: Path) -> None:
    (apache.root / "f").write_bytes(bytes(1000))
    faulty.fault(Fault(method="GET", path="/f", headers={"Digest": "adler32=00000001"}))
    step = sh("s", "true", home, None, inputs=(Input(source=faulty.url("f"), target=str(home / "in")),))
    result = anywhere.run([step], **anywhere.without_retries).results["s"]
    assert result.failure is Failure.STAGE_IN
    assert "adler32" in result.reason


def test_what_a_failed_step_made_is_not_published(anywhere: Anywhere, apache: Apache, home: Path) -> None:
    out = Output(path=str(home / "out"), destination=apache.url("out"))
    result = anywhere.run([sh("s", "echo x > out; exit 3", home, None, outputs=(out,))]).results["s"]
    assert (result.failure, result.exit_code, result.outputs) == (Failure.TOOL, 3, ())
    assert not (apache.root / "out").exists()


def test_what_was_not_made_cannot_be_published(anywhere: Anywhere, apache: Apache, home: Path) -> None:
    for optional in (False, True):
        out = Output(path=str(home / "out"), destination=apache.url("out"), optional=optional)
        result = anywhere.run([sh("s", "true", home, None, outputs=(out,))]).results["s"]
        assert result.failure is (None if optional else Failure.STAGE_OUT)
        assert optional or "did not make its output" in result.reason


def test_a_storage_that_refuses_outputs_fails_the_step(
    anywhere: Anywhere, faulty: Faulty, home: Path
) -> None:
    faulty.fault(Fault(method="PUT", status=403))
    out = Output(path=str(home / "out"), destination=faulty.url("out"))
    result = anywhere.run([sh("s", "echo x > out", home, None, outputs=(out,))]).results["s"]
    assert result.failure is Failure.STAGE_OUT
    assert faulty.url("out") in result.reason


def test_what_is_there_is_replaced(anywhere: Anywhere, apache: Apache, home: Path) -> None:
    (apache.root / "out").write_text("old")
    out = Output(path=str(home / "out"), destination=apache.url("out"))
    result = anywhere.run([sh("s", "echo new > out", home, None, outputs=(out,))]).results["s"]
    assert result.ok, result.reason
    assert (apache.root / "out").read_text() == "new\n"


def test_a_federation_with_a_dead_site_is_as_good(anywhere: Anywhere, dynafed: Dynafed, home: Path) -> None:
    for endpoint in dynafed.endpoints[:2]:
        (Path(endpoint.root) / "in.txt").write_text("given\n")
    dynafed.behaviour.writes_to = (1, 2)
    dynafed.sites[0].stop()
    step = sh(
        "s", "cat in > out", home, None,
        inputs=(Input(source=dynafed.url("in.txt"), target=str(home / "in")),),
        outputs=(Output(path=str(home / "out"), destination=dynafed.url("out.txt")),),
    )  # fmt: skip
    result = anywhere.run([step]).results["s"]
    assert result.ok, result.reason
    assert (Path(dynafed.endpoints[1].root) / "out.txt").read_text() == "given\n"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"inputs": (Input(source="davs://", target="/x"),)}, "names no server"),
        ({"inputs": (Input(source="https://me@host/x", target="/x"),)}, "user name"),
        ({"outputs": (Output(path="/x", destination="davs://host:99999999/x"),)}, "names no server"),
        ({"inputs": (Input(source="relative", target="/x"),)}, "neither"),
    ],
)
def test_impossible_urls_are_refused_at_once(anywhere: Anywhere, fields: dict[str, Any], words: str) -> None:
    with pytest.raises(SpecError, match=words):
        anywhere.make().submit([Step(id="s", name="s", argv=("true",), cwd="/", **fields)])


def test_what_a_container_drops_cannot_be_published(anywhere: Anywhere, small_store: str) -> None:
    out = Output(path="/root/x", destination="davs://host/x")
    step = Step(id="s", name="s", argv=("true",), image=smallimage.NAME, outputs=(out,))
    with pytest.raises(SpecError, match="nothing stays"):
        anywhere.make(store=small_store).submit([step])


def test_a_link_does_not_publish_what_the_container_could_not_see(
    anywhere: Anywhere, apache: Apache, small_store: str, home: Path, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("secret")
    out = Output(path="/work/out", destination=apache.url("out"))
    step = sh("s", f"ln -s {tmp_path}/secret out", home, smallimage.NAME, outputs=(out,))
    result = anywhere.run([step], store=small_store).results["s"]
    assert result.failure is Failure.STAGE_OUT
    assert not (apache.root / "out").exists()


def test_waiting_says_what_for(anywhere: Anywhere, apache: Apache, home: Path) -> None:
    (apache.root / "x").write_text("x")
    step = sh("s", "true", home, None, inputs=(Input(source=apache.url("x"), target=str(home / "in")),))
    told = anywhere.run([step])
    said = [event.what for event in told.events if isinstance(event, Preparing)]
    assert anywhere.pool is not None or said[:1] == ["input x"]


@IMAGES
def test_what_is_moved_leaves_a_link_made_of_its_url(
    anywhere: Anywhere, apache: Apache, small_store: str, home: Path, tmp_path: Path, image: str | None
) -> None:
    given = tmp_path / "given"
    given.mkdir()
    (given / "original").write_text("mine\n")
    seen = str(given) if image is None else "/given"
    step = sh(
        "s",
        f"mkdir -p d/e; echo made > 'd/e/x y'; ln -s {seen} d/input; ln -s 'e/x y' d/same",
        home,
        image,
        outputs=(
            Output(path=work(home, image, "d"), destination=apache.url("d"), moved=True, checksum="sha1"),
        ),
    )
    step = replace(step, mounts=(*step.mounts, Mount(source=str(given), target=seen)))
    result = anywhere.run([step], store=small_store).results["s"]
    assert result.ok, result.reason
    assert os.readlink(home / "d/e/x y") == apache.url("d/e/x%20y")
    assert os.readlink(home / "d/same") == apache.url("d/same")
    assert (given / "original").read_text() == "mine\n"
    assert (apache.root / "d/input/original").read_text() == "mine\n"
    assert (apache.root / "d/same").read_text() == "made\n"
    told = {file.path: file.checksum for file in result.outputs}
    assert told[apache.url("d/e/x%20y")] == "sha1$" + hashlib.sha1(b"made\n").hexdigest()


def test_on_the_host_files_have_their_names(
    anywhere: Anywhere, apache: Apache, home: Path, tmp_path: Path
) -> None:
    (apache.root / "x").write_text("x\n")
    given, made = tmp_path / "given" / "in.txt.gz", tmp_path / "made" / "out.txt"
    step = sh(
        "s",
        f"cat {given} > {made} && basename {given} >> {made}",
        home,
        None,
        inputs=(Input(source=apache.url("x"), target=str(given)),),
        outputs=(Output(path=str(made), destination=apache.url("out")),),
    )
    made.parent.mkdir()
    result = anywhere.run([step]).results["s"]
    assert result.ok, result.reason
    assert (apache.root / "out").read_text() == "x\nin.txt.gz\n"
