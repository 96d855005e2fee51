"""Starting and ending the process that keeps a pool (:mod:`.keeper`)."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress

from dodas.containers import locks
from dodas.errors import BackendUnreachable
from dodas.pool.layout import Layout
from dodas.pool.look import read_keeper

# The package's own directory is all it needs: no site-packages, no start-up files of the user's.
_KEEPER = "import sys; sys.path.insert(0, sys.argv.pop(1)); from dodas.pool.keeper import main; main()"
# It runs for weeks: what else is in the user's environment, secrets perhaps, is none of its business.
_ENVIRONMENT = ("HOME", "LANG", "PATH", "TMPDIR", "UDOCKER_DIR")
_PREFIXES = ("DODAS_", "XDG_")
_BRIEF = 20.0  # seconds


def start_keeper(layout: Layout, *held: str) -> subprocess.Popen[bytes]:
    """Start the keeper; it goes on when this process ends.

    Args:
        layout: The pool.
        held: Files on which the keeper holds shared locks.
    """
    package = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    with suppress(FileNotFoundError):
        os.unlink(layout.at("keeper.json"))
    environment = {
        name: value
        for name, value in os.environ.items()
        if name in _ENVIRONMENT or name.startswith(_PREFIXES)
    }
    log = os.open(layout.at("keeper.log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        return subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _KEEPER, package, layout.root, *held],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd="/",
            env=environment,
        )
    finally:
        os.close(log)


def bury(layout: Layout) -> None:
    """End what is left of a pool's processes, and wait for that.

    Raises:
        BackendUnreachable: They do not end.
    """
    kept = read_keeper(layout)
    if layout.alive and kept:
        pid = int(kept["pid"])
        if end_process(pid, (signal.SIGTERM, _BRIEF), (signal.SIGKILL, _BRIEF)) is None:
            raise BackendUnreachable(f"process {pid}, which keeps the pool, does not end")
    if kept:
        # Its fork server and all supervisors hold this lock; killed ones leave nobody who does.
        _await_lock(os.path.join(kept["scratch"], "lock"))


def end_process(pid: int, *steps: tuple[int, float]) -> int | None:
    """End a process, whoever's child it is; return the signal that did it.

    Args:
        pid: The process; 0 is returned if it is no more.
        steps: Signals, each with the seconds in which the process has to end; the next one follows.

    Returns:
        Nothing if no signal ended it.
    """
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return 0
    try:
        for number, seconds in steps:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(process, number)
            if select.select([process], [], [], seconds)[0]:
                return number
    finally:
        os.close(process)
    return None


def _await_lock(path: str) -> None:
    deadline = time.monotonic() + _BRIEF
    while locks.is_held(path):
        if time.monotonic() > deadline:
            raise BackendUnreachable(f"processes of the pool do not end; they hold {path}")
        time.sleep(0.02)  # a lock that gets free tells nobody but who takes it
