"""`dodas image` as users and scripts see it."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from dodas.cli.progress_bar import progress_bars
from dodas.containers.progress import Progress
from lying_registry import Handler, Liar, run_liar
from registry_server import make_image, make_layer

IMAGE = make_image({"bin/tool": b"#!/bin/sh\n"}, {"data": os.urandom(1 << 20)})
HOSTILE = "a b'\"; $(x)%é"


@pytest.fixture
def registry() -> Iterator[Liar]:
    with run_liar(IMAGE) as running:
        yield running


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    home = tmp_path / HOSTILE
    home.mkdir()
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("UDOCKER_", "DODAS_", "REGISTRY_AUTH", "XDG_"))
    }
    return {**kept, "HOME": str(home), "DODAS_STORE": str(home / "store")}


class Run:
    """Runs `dodas image`."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.environment = environment

    def __call__(self, *words: str, status: int = 0) -> str:
        done = self.whole(*words)
        assert done.returncode == status, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout if status == 0 else done.stderr

    def whole(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "dodas", "image", *words],
            capture_output=True,
            text=True,
            check=False,
            env=self.environment,
        )


@pytest.fixture
def dodas(environment: dict[str, str]) -> Run:
    return Run(environment)


def test_pull_ls_inspect_prepare_rm_gc(dodas: Run, registry: Liar) -> None:
    name = f"{registry.host}/team/tool:1"
    assert "no images" in dodas.whole("ls").stderr
    assert json.loads(dodas("ls", "--json")) == []

    assert dodas("pull", name).startswith(f"{name}  {IMAGE.digest}  (linux/amd64, ")

    header, line = dodas("ls").splitlines()
    assert header.split() == ["NAME", "DIGEST", "PLATFORM", "SIZE", "PREPARED"]
    assert line.split() == [name, IMAGE.digest[7:19], "linux/amd64", "1.0", "MiB", "-"]
    assert header.index("DIGEST") == line.index(IMAGE.digest[7:19])

    path = dodas("prepare", "--quiet", name).strip("\n")
    assert (Path(path) / "bin" / "tool").read_bytes() == b"#!/bin/sh\n"
    assert json.loads(dodas("ls", "--json"))[0]["prepared"] == path

    shown = dodas("inspect", IMAGE.digest[7:19])
    assert re.search(rf"^digest: +{IMAGE.digest}$", shown, re.MULTILINE)
    assert re.search(r"^command: +sh$", shown, re.MULTILINE)
    assert json.loads(dodas("inspect", "--json", name))["prepared"]["path"] == path

    assert "would" in dodas("gc", "--dry-run", "--keep", "1")
    assert Path(path).exists()
    report = json.loads(dodas("gc", "--keep", "1", "--json"))
    assert [item["kind"] for item in report["removed"]] == ["container"]
    assert not Path(path).exists()

    assert f"removed image {name}" in dodas("rm", name)
    assert json.loads(dodas("ls", "--json")) == []


def test_pull_for_scripts(dodas: Run, registry: Liar) -> None:
    names = [f"{registry.host}/a:1", f"{registry.host}/b:2"]
    told = json.loads(dodas("pull", "--json", *names))
    assert [image["name"] for image in told] == names
    assert {image["digest"] for image in told} == {IMAGE.digest}
    done = dodas.whole("pull", "--quiet", names[0])
    assert (done.stdout, done.stderr) == (f"{names[0]}\n", "")


def test_progress_without_a_terminal_is_a_line_a_layer(dodas: Run, registry: Liar) -> None:
    done = dodas.whole("pull", f"{registry.host}/a:1")
    lines = done.stderr.splitlines()
    assert len(lines) == len(IMAGE.layers)
    assert all(re.fullmatch(r"layer [0-9a-f]{12}: [0-9.]+ [A-Za-z]+", line) for line in lines)


def test_load_and_import(dodas: Run, tmp_path: Path) -> None:
    layer, _ = make_layer({"etc/passwd": b"root:x:0:0::/:/bin/sh\n"})
    tar = tmp_path / HOSTILE / "rootfs.tar.gz"
    tar.write_bytes(layer)
    assert dodas("import", str(tar), "mine:1").startswith("mine:1  sha256:")
    root = json.loads(dodas("prepare", "--json", "mine:1"))[0]["path"]
    assert (Path(root) / "etc" / "passwd").read_text().startswith("root:")
    assert "root file system" in dodas("load", str(tar), status=1)


def test_rm_goes_on_after_what_is_missing(dodas: Run, registry: Liar) -> None:
    name = f"{registry.host}/a:1"
    dodas("pull", "--quiet", name)
    complaint = dodas("rm", "absent:1", name, status=1)
    assert "absent:1" in complaint
    assert json.loads(dodas("ls", "--json")) == []
    assert dodas("rm", "--force", "absent:1") == ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("pull", "Debian"), "lower case"),
        (("pull", "debian:12", "a b"), "not the name of an image"),
        (("pull", "--platform", "x y", "debian"), "not a platform"),
        (("inspect", "absent"), "dodas image pull absent"),
        (("prepare", "--pull", "never", "absent"), "dodas image pull absent"),
        (("load", "/absent.tar"), "/absent.tar"),
        (("import", "/absent.tar", "x"), "/absent.tar"),
        (("gc", "--older-than", "soon"), "soon"),
        (("login", "not a host"), "not the host of a registry"),
        (("logout", "debian"), "not the host of a registry"),
    ],
)
def test_mistakes_get_a_sentence_and_a_hint(words: tuple[str, ...], said: str, dodas: Run) -> None:
    complaint = dodas(*words, status=1)
    first, second = complaint.splitlines()
    assert first.startswith("error: ")
    assert second.startswith("  hint: ")
    assert said in complaint


def test_usage(dodas: Run) -> None:
    for words in ((), ("fly",), ("pull",), ("rm",)):
        assert "usage:" in dodas(*words, status=2)
    for command in ("pull", "load", "import", "prepare", "rm", "gc", "login"):
        assert "example" in dodas(command, "--help")


# --- terminals ---


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    master, slave = pty.openpty()
    fcntl.ioctl(slave, 0x5414, b"\x18\x00\x64\x00\x00\x00\x00\x00")  # TIOCSWINSZ: 24 lines of 100
    yield master, slave
    os.close(master)
    os.close(slave)


def test_bars_move_on_a_terminal_and_go(terminal: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    master, slave = terminal
    shown = bytearray()

    def read() -> None:
        while not shown.endswith(b"the end"):
            shown.extend(os.read(master, 1 << 16))

    reader = threading.Thread(target=read)
    reader.start()
    with os.fdopen(os.dup(slave), "w") as out:
        with progress_bars(stream=out) as tell:
            for done in range(0, 1001, 10):
                tell(Progress(what="layer [red]\x1b]0;title\x07 one", done=done, total=1000))
            tell(Progress(what="waiting", done=0))
        out.write("the end")
    reader.join()
    assert b"\x1b]0;" not in shown  # a name changes no title
    assert b"layer [red]\\x1b" in shown
    assert shown.endswith(b"\x1b[2Kthe end")  # the last that happened is that the lines were cleared


def test_nothing_to_show_shows_nothing(terminal: tuple[int, int]) -> None:
    master, slave = terminal
    with os.fdopen(os.dup(slave), "w") as out, progress_bars(stream=out):
        pass
    os.set_blocking(master, False)
    with pytest.raises(BlockingIOError):
        os.read(master, 100)


def test_login_asks_on_a_terminal(dodas: Run, registry: Liar, terminal: tuple[int, int]) -> None:
    registry.for_ever = True
    registry.lies["/v2/"] = [_private]
    master, slave = terminal
    process = subprocess.Popen(
        [sys.executable, "-m", "dodas", "image", "login", registry.host],
        stdin=slave,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=dodas.environment,
        start_new_session=True,
    )
    assert process.stderr is not None
    told = b""
    for question, answer in ((b"user at", b"anna\n"), (b"password of anna", b"s3cr3t\n")):
        while question not in told:
            letter = process.stderr.read(1)
            assert letter, told
            told += letter
        os.write(master, answer)
    out, rest = process.communicate(timeout=60)
    assert process.returncode == 0, told + rest
    assert b"s3cr3t" not in out + told + rest
    keystore = Path(dodas.environment["HOME"], ".udocker", "keystore")
    assert json.loads(keystore.read_text())[f"http://{registry.host}"]["auth"] == "YW5uYTpzM2NyM3Q="


def test_a_store_in_a_strange_place(dodas: Run, registry: Liar, tmp_path: Path) -> None:
    dodas.environment["DODAS_STORE"] = str(tmp_path / "line\nbreak\\:")
    assert json.loads(dodas("pull", "--json", f"{registry.host}/a:1"))[0]["digest"] == IMAGE.digest
    assert Path(dodas("prepare", "-q", f"{registry.host}/a:1").removesuffix("\n"), "data").exists()


def _private(handler: Handler, content: bytes) -> None:
    if handler.headers.get("Authorization") == "Basic YW5uYTpzM2NyM3Q=":
        handler.serve(content)
    else:
        handler.reply(401, b"{}", {"WWW-Authenticate": 'Basic realm="x"'})
