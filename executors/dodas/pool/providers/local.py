"""Workers on this host, each a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress

from dodas import whole
from dodas.pool.layout import Layout
from dodas.pool.providers.base import ProviderUnavailable, Seen, Setup, State, Worker
from dodas.pool.providers.ours import Told, names_of, own_output

_PATIENCE = 3  # times that it is told
_PROCESS = "process.json"


def make(setup: Setup) -> Local:
    """Return the provider."""
    return Local(setup)


class Local:
    """The workers of one pool on this host."""

    def __init__(self, setup: Setup) -> None:
        self._pool = setup.pool.name
        self._prefixes = names_of(setup)
        self._told = Told(setup.state)

    def launch(self, workers: Sequence[Worker]) -> None:
        """Start a process for each worker that has none."""
        for worker in workers:
            if self._pid(worker.name) == 0:
                self._start(worker)

    def list(self) -> Sequence[Seen]:
        """Return the workers whose directories are there."""
        try:
            names = sorted(os.listdir(Layout(self._pool).at("workers")))
        except FileNotFoundError:
            return []
        return [self._seen(name) for name in names if self._is_ours(name)]

    def terminate(self, workers: Sequence[str]) -> None:
        """Tell workers to end, at once when they are told again; the third time they are killed."""
        alive = {name: pid for name in workers if self._is_ours(name) and (pid := self._pid(name))}
        for name, count in (self._told.again(alive) if alive else {}).items():
            with suppress(ProcessLookupError):
                os.kill(alive[name], signal.SIGTERM if count < _PATIENCE else signal.SIGKILL)

    def logs(self, worker: str) -> str:
        """Return what a worker printed."""
        return own_output(self._pool, worker)

    def _is_ours(self, name: str) -> bool:
        return name.startswith(self._prefixes) and os.path.exists(self._at(name, _PROCESS))

    def _seen(self, name: str) -> Seen:
        pid = self._pid(name)
        return Seen(
            worker=name,
            state=State.RUNNING if pid else State.ENDED,
            handle=f"process {pid}" if pid else "",
            node=os.uname().nodename,
        )

    def _start(self, worker: Worker) -> None:
        try:
            with open(os.path.join(worker.directory, "worker.out"), "ab") as out:
                process = subprocess.Popen(
                    [worker.program, "pilot", os.path.join(worker.directory, "pilot.json")],
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=out,
                    cwd=worker.directory,
                    start_new_session=True,
                )
        except OSError as error:
            raise ProviderUnavailable(f"no worker can be started here: {error.strerror}") from error
        plain = {"pid": process.pid, "began": _began(process.pid)}
        whole.write(os.path.join(worker.directory, _PROCESS), json.dumps(plain))

    def _pid(self, name: str) -> int:
        """Return the process id of a worker that lives; 0 if it does not."""
        try:
            with open(self._at(name, _PROCESS), encoding="utf-8") as file:
                kept = json.load(file)
            pid, began = int(kept["pid"]), kept["began"]
        except (OSError, ValueError, LookupError, TypeError):
            return 0
        with suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)  # if it is a child that has ended
        return pid if began and _began(pid) == began else 0

    def _at(self, name: str, *names: str) -> str:
        return Layout(self._pool).at("workers", name, *names)


def _began(pid: int) -> str:
    """Return when a process began, in ticks since boot (proc_pid_stat(5)); empty if it is no more."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            fields = file.read().rpartition(") ")[2].split(" ")
    except OSError:
        return ""
    return "" if fields[0] in ("Z", "X") else fields[19]
