"""Files that are never seen in part."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from dodas import whole
from hostile_names import NAMES


@pytest.mark.parametrize("name", [name for name in NAMES if len(os.fsencode(name)) <= 200])
def test_a_file_is_replaced(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    whole.write(str(path), "before")
    assert path.stat().st_mode & 0o777 == 0o600
    whole.write(str(path), b"\0now", mode=0o640)
    assert path.read_bytes() == b"\0now"
    assert path.stat().st_mode & 0o777 == 0o640
    assert os.listdir(tmp_path) == [name]


def test_names_of_files_stay_what_they_were(tmp_path: Path) -> None:
    whole.write(str(tmp_path / "f"), os.fsdecode(b"\xff\xc3\xa4"))
    assert (tmp_path / "f").read_bytes() == b"\xff\xc3\xa4"


@pytest.mark.parametrize("fault", [ValueError, KeyboardInterrupt])
def test_what_fails_leaves_what_was_there(tmp_path: Path, fault: type[BaseException]) -> None:
    path = tmp_path / "f"
    path.write_text("before")
    with pytest.raises(fault), whole.written(str(path)) as file:
        file.write(b"half")
        raise fault
    assert path.read_text() == "before"
    assert os.listdir(tmp_path) == ["f"]


def test_a_disk_that_takes_no_more_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text("before")
    program = """
import resource, signal, sys
from dodas import whole
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    whole.write(sys.argv[1], bytes(100_000), lasting=True)
except OSError as error:
    print(error.strerror)
"""
    assert _run(program, path).stdout == "File too large\n"
    assert path.read_text() == "before"
    assert os.listdir(tmp_path) == ["f"]


def test_a_writer_that_is_killed_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text("before")
    program = """
import os, sys
from dodas import whole
with whole.written(sys.argv[1]) as file:
    file.write(bytes(100_000))
    file.flush()
    os.kill(os.getpid(), 9)
"""
    assert _run(program, path).returncode == -signal.SIGKILL
    assert path.read_text() == "before"
    whole.write(str(path), "after")
    assert path.read_text() == "after"


def test_a_directory_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        whole.write(str(tmp_path / "no" / "f"), "")


def _run(program: str, path: Path) -> subprocess.CompletedProcess[str]:
    search = os.pathsep.join(sys.path)
    return subprocess.run(
        [sys.executable, "-c", program, str(path)],
        env={**os.environ, "PYTHONPATH": search},
        capture_output=True,
        text=True,
        check=False,
    )
