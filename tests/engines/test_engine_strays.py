"""Ending what a step left behind, and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys

_PROGRAM = """
import os, time
from dodas.worker import strays
ended, running, stray = os.fork() or os._exit(7), os.fork() or time.sleep(1000), os.fork() or time.sleep(1000)
os.waitid(os.P_PID, ended, os.WEXITED | os.WNOWAIT)
try:
    strays.end_all(spared={ended, running})
    print(os.waitstatus_to_exitcode(os.waitpid(ended, 0)[1]), os.waitpid(running, os.WNOHANG)[0])
finally:
    strays.end_all()
try:
    os.waitpid(-1, 0)
except ChildProcessError:
    print("nothing left")
"""


def test_what_is_spared_is_left_alone_and_left_to_collect() -> None:
    path = os.pathsep.join(filter(None, sys.path))
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM],
        env={**os.environ, "PYTHONPATH": path},
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.splitlines() == ["7 0", "nothing left"]
