"""The fork server stays small: every module that it imports makes each step dearer."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import dodas

_HEAVY = ("logging", "random", "shutil", "subprocess", "tempfile", "threading")
# What the standard library's ctypes imports itself, such as threading since Python 3.14, is not our choice.
_PROGRAM = """
import ctypes, sys
theirs = set(sys.modules)
sys.path.insert(0, sys.argv[1])
import dodas.worker.server
from dodas.containers.engines import engine
engine("namespace"), engine("host")
print(*sorted(set(sys.argv[2:]) & (set(sys.modules) - theirs)))
"""


def test_the_fork_server_imports_nothing_heavy() -> None:
    roots = str(Path(dodas.__file__).parents[1])
    command = [sys.executable, "-I", "-S", "-c", _PROGRAM, roots, *_HEAVY]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip() == ""
