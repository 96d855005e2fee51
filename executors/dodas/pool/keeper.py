"""The process that holds a pool's containers, from `dodas pool up` to `dodas pool down`.

It restarts nothing by itself.  When the head's container ends, it ends the others and itself; when only a
node does, it notes that, and SIGHUP (from another `dodas pool up`) starts it again.  SIGTERM ends everything.
Were it killed, its fork server would notice and end everything likewise.  Standard library only: it runs for
weeks, and should be small.
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import signal
import sys
import time
from contextlib import suppress
from typing import Any

from dodas import whole
from dodas.containers.launch import Launch
from dodas.pool.layout import HEAD
from dodas.worker.client import Began, Ended, Worker

_OVER = frozenset((signal.SIGTERM, signal.SIGINT))


class Keeper:
    """A pool's directory and the containers that run for it."""

    def __init__(self, root: str, worker: Worker) -> None:
        self.root = root
        self.worker = worker
        self.parts: dict[str, dict[str, Any]] = {}
        self.count = 0
        self.over = False

    def start_missing(self) -> None:
        """Start the containers that do not run."""
        with open(os.path.join(self.root, "launches.json"), encoding="utf-8") as file:
            wanted = json.load(file)
        for part, plain in wanted.items():
            if not self.parts.get(part, {}).get("pid"):
                self.count += 1
                self.parts[part] = {"since": time.time(), "pid": -1, "key": f"{part}-{self.count}"}
                self.worker.start(self.parts[part]["key"], Launch.from_plain(plain))

    def hear(self) -> None:
        """Take note of what happened to the containers."""
        for news in self.worker.told():
            part = next((name for name, state in self.parts.items() if state["key"] == news.key), None)
            if part is None:
                continue
            if isinstance(news, Began):
                self.parts[part]["pid"] = news.pid
            else:
                self._lose(part, news)
        self.write()

    def _lose(self, part: str, news: Ended) -> None:
        how = _how(news)
        self.parts[part].update(pid=0, ended=how, at=time.time())
        say(f"the {part} ended: {how}")
        self.over = self.over or part == HEAD

    def write(self) -> None:
        """Tell others how things are."""
        state = {"pid": os.getpid(), "scratch": self.worker.scratch, "parts": self.parts}
        whole.write(os.path.join(self.root, "keeper.json"), json.dumps(state, indent=1))


def main() -> None:
    """Keep the pool whose directory is the argument; other arguments are locks to share (image roots)."""
    root, *roots = sys.argv[1:]
    lock = os.open(os.path.join(root, "keeper.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    for path in roots:
        fcntl.flock(os.open(path, os.O_RDONLY | os.O_CLOEXEC), fcntl.LOCK_SH)
    wake = _signals()
    with Worker() as worker:
        keeper = Keeper(root, worker)
        keeper.start_missing()
        keeper.write()
        _keep(keeper, wake)


def _keep(keeper: Keeper, wake: int) -> None:
    poll = select.poll()
    poll.register(wake, select.POLLIN)
    poll.register(keeper.worker.fileno(), select.POLLIN)
    while not keeper.over:
        for descriptor, _ in poll.poll():
            if descriptor == wake:
                numbers = set(os.read(wake, 64))
                keeper.over = keeper.over or bool(numbers & _OVER)
                if signal.SIGHUP in numbers and not keeper.over:
                    keeper.start_missing()
            keeper.hear()
    for state in keeper.parts.values():
        keeper.worker.stop(state["key"], now=True)


def _signals() -> int:
    """Return a descriptor from which the numbers of arriving signals can be read."""
    reader, writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    signal.set_wakeup_fd(writer)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    return reader


def _how(news: Ended) -> str:
    outcome = news.outcome
    if outcome.fault:
        return outcome.fault
    return f"killed by signal {outcome.signal}" if outcome.signal else f"exit status {outcome.exit_code}"


def say(text: str) -> None:
    """Write a line into the keeper's log."""
    with suppress(OSError):
        print(time.strftime("%Y-%m-%d %H:%M:%S"), text, flush=True)
