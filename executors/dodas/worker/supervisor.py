"""The process that looks after one launch: starts it, stops it, measures it, leaves nothing of it.

It is forked by the fork server (or by ``dodas run``) and lives as long as the command, or as several commands
that come one after the other.  Signals it obeys:

* ``SIGTERM``: stop politely; after ``launch.grace`` seconds the rest is killed.  Also sent by the kernel
  when the process that forked it dies.
* ``SIGUSR2``: kill at once.
* ``SIGINT``, ``SIGHUP``, ``SIGQUIT``, ``SIGUSR1``, ``SIGWINCH``: passed on to the command.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress

from dodas.containers.engines import engine, syscalls
from dodas.containers.engines.base import Engine, is_spawner
from dodas.containers.launch import Launch, LaunchFault, Outcome
from dodas.containers.removal import remove_tree
from dodas.worker import strays
from dodas.worker.child import Child, SpawnedChild, Streams, WaitingChild, spawned
from dodas.worker.reaper import Reaper
from dodas.worker.watch import Watch


def settle() -> None:
    """Make this process, freshly forked, one that can supervise."""
    os.setsid()
    syscalls.prctl(syscalls.PR_SET_PDEATHSIG, signal.SIGTERM)
    syscalls.prctl(syscalls.PR_SET_CHILD_SUBREAPER, 1)


def supervise(  # noqa: PLR0917 - all of it is of this one launch
    launch: Launch,
    stdio: tuple[int | None, int | None, int | None],
    parent: int,
    tell: Callable[[Outcome], object],
    waiting: WaitingChild | None = None,
    moved: tuple[int, int] = (0, 0),
) -> bool:
    """Run ``launch`` to its end, in a process that has settled and in which :data:`.WATCHED` is blocked.

    Args:
        launch: What to run; its scratch directory is made here if it was not made ahead, and removed.
        stdio: Descriptors for standard streams that the launch names no path for.
        parent: Process id of the caller's parent, whose death stops the launch.
        tell: Is told how it ended, once every process that it started is gone; its files go after that, so
            that nobody waits for them.
        waiting: The child that is to become the command, for this engine and network; it is forked if there
            is none.
        moved: What :func:`bytes_moved` was before.

    Returns:
        Whether this process is as it was before, and can supervise another launch.
    """
    began = time.monotonic()
    how = engine(launch.engine)
    fault = ""
    watch = None
    reaper = Reaper()

    def run(streams: Streams, child: WaitingChild | None) -> Watch:
        watch = Watch(launch, how, _sent_off(child, launch, how, streams), began, reaper)
        watch.until_ended()
        return watch

    try:
        _check_lives(parent)
        if not os.path.isdir(launch.scratch):
            os.mkdir(launch.scratch, 0o700)
        streams = _open_streams(launch, stdio)
        how.confine(launch)
        watch = run(streams, waiting)
        if waiting is not None and watch.was_killed() and not waiting.has_heard():
            watch = run(_open_streams(launch, stdio), None)
        fault = watch.fault
    except (LaunchFault, OSError) as error:
        fault = str(error)
    strays.end_all(wait=reaper.wait)
    outcome = _outcome(watch, fault, began, reaper, moved)
    if launch.note is not None and outcome.exit_code == 0 and not (outcome.stopped or outcome.timed_out):
        _note(*launch.note, outcome)
    tell(outcome)
    how.clean(launch)
    remove_tree(launch.scratch)
    return not fault and how.leaves_supervisor_alone(launch)


def _note(path: str, word: str, outcome: Outcome) -> None:
    """Add a line to the notes; one that cannot be written is missed after a kill only."""
    line = json.dumps([word, outcome.__dict__], separators=(",", ":")) + "\n"
    with suppress(OSError):
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
        try:
            os.write(file, line.encode())
        finally:
            os.close(file)


def _check_lives(parent: int) -> None:
    if os.getppid() != parent:
        raise LaunchFault("the process that asked for this died meanwhile")


def _sent_off(
    waiting: WaitingChild | None, launch: Launch, how: Engine, streams: Streams
) -> Child | SpawnedChild:
    """Return the child that becomes the command; its standard streams are closed here."""
    child: Child | SpawnedChild | None = waiting
    if waiting is not None:
        waiting.tell(launch, streams)
    elif is_spawner(how):
        child = spawned(how, launch, streams)
    child = child or Child(how, launch.network, lambda: (launch, streams))
    for descriptor in set(streams):
        os.close(descriptor)
    return child


def _open_streams(launch: Launch, stdio: tuple[int | None, int | None, int | None]) -> Streams:
    try:
        given_in, given_out, given_err = stdio
        read = (
            _opened(launch.stdin or os.devnull, os.O_RDONLY) if launch.stdin or given_in is None else given_in
        )
        out = _written(launch.stdout, given_out)
        err = out if launch.stderr and launch.stderr == launch.stdout else _written(launch.stderr, given_err)
    except OSError as error:
        raise LaunchFault(f"cannot open {error.filename}: {error.strerror}") from error
    return read, out, err


def _written(path: str | None, given: int | None) -> int:
    if path is None and given is not None:
        return given
    return _opened(path or os.devnull, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)


def _opened(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, 0o666)


def _outcome(
    watch: Watch | None, fault: str, began: float, reaper: Reaper, moved: tuple[int, int]
) -> Outcome:
    read, written = bytes_moved()
    return Outcome(
        exit_code=watch.exit_code if watch is not None else None,
        signal=watch.signal if watch is not None and not fault else None,
        fault=fault,
        timed_out=watch is not None and watch.timed_out,
        stopped=watch is not None and watch.stopped,
        wall=time.monotonic() - began,
        cpu=reaper.cpu,
        peak_memory=reaper.peak,
        read=read - moved[0],
        written=written - moved[1],
    )


def bytes_moved() -> tuple[int, int]:
    """Return bytes read and written by this process and all children it has collected (proc_pid_io(5))."""
    try:
        with open("/proc/self/io", "rb", buffering=0) as file:
            fields = dict(line.split(b": ") for line in file.read().splitlines())
    except OSError:
        return 0, 0
    return int(fields[b"rchar"]), int(fields[b"wchar"])
