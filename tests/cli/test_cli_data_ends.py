"""`dodas data` ended in the middle, and shown on a terminal."""

from __future__ import annotations

import fcntl
import os
import re
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from data_runs import Data, environment, tree
from servers.apache import Apache
from servers.faults import Fault
from servers.faulty import Faulty
from servers.xrootd import Xrootd

SIZE = 3 << 20


@pytest.fixture
def data(tmp_path: Path) -> Data:
    work = tmp_path / "work"
    work.mkdir()
    return Data(work, environment(tmp_path / "home", TMPDIR=str(tmp_path)))


@pytest.fixture
def slow(apache: Apache) -> Iterator[Faulty]:
    with Faulty(apache) as server:
        yield server


def until(so: Callable[[], object], process: subprocess.Popen[bytes]) -> None:
    """Wait until something is so, which a running process brings about."""
    deadline = time.monotonic() + 60
    while not so():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        os.sched_yield()


def begun(place: Path) -> bool:
    """Tell whether some of a file has arrived that is not complete."""
    return any(path.stat().st_size for path in place.rglob(".dodas-*.part"))


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)]
)
def test_get_ended_in_the_middle_goes_on(data: Data, slow: Faulty, number: int, status: int) -> None:
    content = {f"f{index}": os.urandom(SIZE) for index in range(3)}
    for name, one in content.items():
        (slow.behind.root / name).write_bytes(one)
    hanging = slow.fault(Fault(method="GET", path="/f1", hang_after=SIZE // 2))
    process = data.start("get", "-r", slow.url(), "in")
    until(
        lambda: begun(data.place) and (data.place / "in/f0").exists() and (data.place / "in/f2").exists(),
        process,
    )
    os.kill(process.pid, number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == status, said
    assert b"Traceback" not in said
    assert not (data.place / "in/f1").exists()
    hanging.times = 0
    hanging.gate.set()
    again = {one["target"]: one["status"] for one in data.json("get", "-r", slow.url(), "in")}
    assert again == {"in/f0": "same", "in/f1": "done", "in/f2": "same"}
    assert tree(data.place / "in") == content, "and nothing else"


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_a_large_file_in_parts_goes_on(data: Data, slow: Faulty, number: int, status: int) -> None:
    data.environ |= {"DODAS_STORAGE_LARGE": str(SIZE), "DODAS_STORAGE_STREAMS": "3"}
    content = os.urandom(4 * SIZE)
    (slow.behind.root / "f").write_bytes(content)
    hanging = slow.fault(Fault(method="GET", path="/f", hang_after=SIZE // 2))
    process = data.start("get", slow.url("f"))
    until(lambda: hanging.happened and begun(data.place), process)
    os.kill(process.pid, number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == status, said
    assert b"Traceback" not in said
    assert not (data.place / "f").exists()
    hanging.times = 0
    hanging.gate.set()
    data("get", slow.url("f"))
    assert tree(data.place) == {"f": content}


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_put_ended_in_the_middle_leaves_nothing(data: Data, slow: Faulty, number: int, status: int) -> None:
    content = os.urandom(SIZE)
    (data.place / "f").write_bytes(content)
    hanging = slow.fault(Fault(method="PUT", hang_after=SIZE // 2, cut_request=True))
    process = data.start("put", "f", slow.url("f"))
    until(lambda: hanging.happened, process)
    os.kill(process.pid, number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == status, said
    assert not (slow.behind.root / "f").exists()
    hanging.times = 0
    hanging.gate.set()
    data("put", "f", slow.url("f"))
    assert (slow.behind.root / "f").read_bytes() == content


def test_nohup_is_respected(data: Data, slow: Faulty) -> None:
    (slow.behind.root / "f").write_bytes(os.urandom(SIZE))
    hanging = slow.fault(Fault(method="GET", path="/f", hang_after=SIZE // 2))
    command = ["nohup", *data.command(["get", slow.url("f")])]
    process = subprocess.Popen(
        command, cwd=data.place, env=data.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    until(lambda: begun(data.place), process)
    process.send_signal(signal.SIGHUP)
    hanging.gate.set()
    _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert (data.place / "f").stat().st_size == SIZE


# --- on a terminal ---


class Terminal:
    """Runs a command on a terminal of its own and sees what is shown."""

    def __init__(self, data: Data, words: list[str], *, rows: int = 24, columns: int = 100) -> None:
        self._ours, theirs = os.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        environ = {**data.environ, "TERM": "xterm-256color"}
        for name in ("NO_COLOR", "COLUMNS", "LINES"):
            environ.pop(name, None)
        self.process = subprocess.Popen(
            data.command(words), stdin=theirs, stdout=theirs, stderr=theirs, cwd=data.place, env=environ
        )
        os.close(theirs)
        self.shown = b""

    def until(self, pattern: str) -> re.Match[str]:
        """Read until something is shown."""
        while not (found := re.search(pattern, self.text)):
            self.shown += os.read(self._ours, 1 << 16)
        return found

    def end(self) -> int:
        """Read the rest and return the exit status."""
        try:
            while True:
                self.shown += os.read(self._ours, 1 << 16)
        except OSError:
            os.close(self._ours)
        return self.process.wait(timeout=60)

    @property
    def text(self) -> str:
        """What is shown, without colours and movements of the cursor."""
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.shown.decode(errors="replace"))


def test_one_file_has_a_bar_with_amount_and_pace(data: Data, slow: Faulty) -> None:
    (slow.behind.root / "a b").write_bytes(os.urandom(SIZE))
    hanging = slow.fault(Fault(method="GET", hang_after=SIZE // 2))
    terminal = Terminal(data, ["get", slow.url("a%20b")], columns=130)
    terminal.until(r"a b +━+ +1\.5 MiB of 3\.0 MiB  .*iB/s")
    hanging.gate.set()
    assert terminal.end() == 0
    assert terminal.text.splitlines()[-1].startswith("a b  3.0 MiB, ")
    assert terminal.text.splitlines()[-1].endswith("only its size compared")


def test_many_files_have_a_bar_together(data: Data, slow: Faulty) -> None:
    for name in ("f0", "f1", "f2"):
        (slow.behind.root / name).write_bytes(os.urandom(SIZE))
    hanging = slow.fault(Fault(method="GET", path="/f1", hang_after=SIZE // 3))
    terminal = Terminal(data, ["get", "-r", slow.url(), slow.url("absent"), "in"])
    terminal.until(r"3 of 4 files +━+ +7\.0 MiB of 9\.0 MiB")
    terminal.until(r"in/f1 +━+ +1\.0 MiB of 3\.0 MiB")
    hanging.gate.set()
    assert terminal.end() == 4
    assert "error: " in terminal.text
    assert re.search(r"3 files, 9\.0 MiB in .*1 failed\s*$", terminal.text)


def test_ctrl_c_on_a_terminal_says_how_to_go_on(data: Data, slow: Faulty) -> None:
    for name in ("f0", "f1"):
        (slow.behind.root / name).write_bytes(os.urandom(SIZE))
    slow.fault(Fault(method="GET", path="/f1", hang_after=SIZE // 2))
    terminal = Terminal(data, ["get", "-r", slow.url(), "in"])
    terminal.until(r"1 of 2 files")
    os.kill(terminal.process.pid, signal.SIGINT)
    assert terminal.end() == 130
    assert "the same command goes on" in terminal.text
    assert terminal.text.rstrip().endswith("interrupted")


def test_names_cannot_move_the_cursor(data: Data, apache: Apache) -> None:
    (apache.root / "a\x1b[2Jb").write_text("x")
    terminal = Terminal(data, ["ls", apache.url()])
    assert terminal.end() == 0
    assert b"\x1b" not in terminal.shown
    assert terminal.text.split() == [r"a\x1b[2Jb"]


def test_json_and_a_picture_do_not_mix(data: Data, xrootd: Xrootd) -> None:
    (xrootd.root / "f").write_bytes(os.urandom(SIZE))
    terminal = Terminal(data, ["get", "--json", xrootd.url("f")])
    assert terminal.end() == 0
    assert b"\x1b" not in terminal.shown
