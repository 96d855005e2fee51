"""The process that makes a pool follow its queue, from ``dodas pool up`` to ``dodas pool down``.

SIGTERM: it ends its workers, then itself.  SIGUSR1: it looks now.  SIGINT: it ends, its workers go on.  It
can be killed and started again at any moment: what it must know is in the registry and at the providers.
"""

from __future__ import annotations

import fcntl
import os
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress

from dodas.containers import locks
from dodas.errors import DodasError
from dodas.pool.access import of_user
from dodas.pool.keeping import end_process
from dodas.pool.layout import Layout

_LOCK = "agent.lock"
_LOG = "agent.log"
_LARGEST_LOG = 10 << 20
_PATIENCE = 15.0  # seconds until it has the lock


def start(pool: str) -> bool:
    """Start the agent of a pool unless it runs; return whether it was started."""
    layout = Layout(pool)
    if pid(pool):
        return False
    _rotate(layout.at(_LOG))
    log = os.open(layout.at(_LOG), os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        subprocess.Popen(
            [sys.executable, "-m", "dodas.pool.agent.process", pool],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd="/",
            env={**os.environ, "CONDOR_CONFIG": of_user()},
        )
    finally:
        os.close(log)
    deadline = time.monotonic() + _PATIENCE
    while not pid(pool) and time.monotonic() < deadline:
        time.sleep(0.02)  # a lock that is taken tells nobody
    return True


def pid(pool: str) -> int:
    """Return the process id of a pool's agent; 0 if there is none."""
    path = Layout(pool).at(_LOCK)
    if not locks.is_held(path):
        return 0
    with suppress(OSError, ValueError), open(path, encoding="ascii") as file:
        return int(file.read())
    return 0


def wake(pool: str) -> None:
    """Have the agent look now."""
    found = pid(pool)
    if found:
        with suppress(ProcessLookupError):
            os.kill(found, signal.SIGUSR1)


def end(pool: str, *, seconds: float) -> bool:
    """Have the agent end all workers and itself; return whether it did within so many seconds."""
    found = pid(pool)
    if not found:
        return True
    return end_process(found, (signal.SIGTERM, seconds), (signal.SIGKILL, _PATIENCE)) in {0, signal.SIGTERM}


def leave(pool: str) -> None:
    """Have the agent end itself and leave its workers to the next one."""
    found = pid(pool)
    if found:
        end_process(found, (signal.SIGINT, _PATIENCE), (signal.SIGKILL, _PATIENCE))


class Signals:
    """What the agent was told, and a way to sleep until it is."""

    def __init__(self) -> None:
        self._reader, writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.set_wakeup_fd(writer)
        self.over: bool = False
        self.with_workers = False
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
            signal.signal(number, lambda *_: None)

    def sleep(self, seconds: float) -> None:
        """Sleep so long, or until a signal comes."""
        if not self.over and select.select([self._reader], [], [], max(0.0, seconds))[0]:
            numbers = set(os.read(self._reader, 64))
            self.with_workers |= signal.SIGTERM in numbers
            self.over = bool(numbers & {signal.SIGTERM, signal.SIGINT})


def main() -> int:
    """Be the agent of the pool that the argument names."""
    pool = sys.argv[1]
    layout = Layout(pool)
    lock = os.open(layout.at(_LOCK), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    if not _locked(lock):
        return 0  # another one is faster
    os.ftruncate(lock, 0)
    os.pwrite(lock, b"%d" % os.getpid(), 0)
    signals = Signals()
    from dodas.pool.agent.loop import Agent  # noqa: PLC0415 - slow, and whoever started it waits for the lock

    try:
        with Agent(pool) as agent:
            while not signals.over:
                signals.sleep(agent.cycle())
            if signals.with_workers:
                agent.end_all()
    except DodasError as error:
        print(f"error: {error}; {error.hint}", file=sys.stderr, flush=True)
        return 1
    return 0


def _locked(lock: int) -> bool:
    """Take the lock; who only looks whether somebody has it holds it for a moment too."""
    for _ in range(5):
        with suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        time.sleep(0.01)
    return False


def _rotate(path: str) -> None:
    with suppress(FileNotFoundError):
        if os.path.getsize(path) > _LARGEST_LOG:
            os.replace(path, f"{path}.old")


if __name__ == "__main__":
    sys.exit(main())
