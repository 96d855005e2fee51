"""A server of somebody else as a process of a test: started, stopped, and started again on its port."""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from needs import need
from servers import reaper
from servers.ports import answers, until


class Daemon:
    """A process, and what it starts, that listens on a port of loopback or on a socket of the file system.

    Args:
        command: What to run; it must stay in the foreground.
        place: The port or the socket where it will listen; it has started when it does.
        log: File that takes what it prints.
        environ: Added to the environment.
        in_turn: Its threads run one after the other, each until it waits: for a server that forgets that it
            may be answered before it has looked up from asking.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        place: int | Path,
        log: Path,
        environ: Mapping[str, str] | None = None,
        in_turn: bool = False,
    ) -> None:
        self.command = tuple(command)
        self.place = place
        self.log = log
        self.environ = dict(environ or {})
        self.in_turn = in_turn
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        """Whether it was started, and not stopped since."""
        return self._process is not None

    def start(self) -> None:
        """Start it, and return when it listens; a second time does nothing, unless it has crashed."""
        if self._process is not None and self._process.poll() is None:
            return
        self.stop()
        if isinstance(self.place, Path):
            self.place.unlink(missing_ok=True)
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, "LD_PRELOAD": str(preload()), **self.environ},
                start_new_session=True,
            )
        reaper.watch(self._process.pid)
        if self.in_turn:
            _one_thread_at_a_time(self._process.pid)
        try:
            until(self._has_started, what=f"{self.command[0]} on {self.place}")
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End it and all its processes at once; connections are cut."""
        process, self._process = self._process, None
        if process is None:
            return
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        reaper.forget(process.pid)
        until(lambda: not self._listens(), what=f"the end of {self.command[0]}")

    def freeze(self) -> None:
        """Make it hang: connections are taken, nothing is answered."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGCONT)

    def _has_started(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise AssertionError(f"{self.command} ended:\n{self.log.read_text(errors='replace')[-4000:]}")
        return self._listens()

    def _listens(self) -> bool:
        return answers(self.place)


def _one_thread_at_a_time(pid: int) -> None:
    """Give a process without threads yet one processor, and let no thread of it interrupt another."""
    with suppress(OSError):
        os.sched_setaffinity(pid, {max(os.sched_getaffinity(pid))})
        os.sched_setscheduler(pid, os.SCHED_BATCH, os.sched_param(0))


@functools.cache
def preload() -> Path:
    """Compile what keeps servers on loopback and content with any user; see ``loopback.c``."""
    folder = tempfile.mkdtemp(prefix="dodas-tests-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    library = Path(folder, "loopback.so")
    source = Path(__file__).with_name("loopback.c")
    command = [need("gcc"), "-shared", "-fPIC", "-O2", "-o", str(library), str(source), "-ldl"]
    subprocess.run(command, check=True, capture_output=True)
    return library


def installation(program: str) -> Path:
    """Return ``/usr`` as a program on PATH knows it: of the system, or of what it was unpacked with."""
    unpacked = Path(need(program)).parent.parent / "root" / "usr"
    return unpacked if unpacked.is_dir() else Path("/usr")
